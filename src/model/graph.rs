//! What an ONNX file refers to, read before the runtime sees it.
//!
//! External data would make the runtime open files beside the working directory, and operators of other domains would
//! need libraries; both are refused. Only the few fields of the ONNX protobuf that can carry either are declared; the
//! field numbers are those of `onnx.proto` (IR version 3 and later). All other fields are skipped.

use prost::Message;

/// `ModelProto`.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "25")]
    functions: Vec<Function>,
}

/// `GraphProto`.
#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    nodes: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    initializers: Vec<Tensor>,
    #[prost(message, repeated, tag = "15")]
    sparse_initializers: Vec<SparseTensor>,
}

/// `FunctionProto`.
#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(message, repeated, tag = "7")]
    nodes: Vec<Node>,
}

/// `NodeProto`.
#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, tag = "4")]
    operator: String,
    #[prost(message, repeated, tag = "5")]
    attributes: Vec<Attribute>,
    #[prost(string, tag = "7")]
    domain: String,
}

/// `AttributeProto`.
#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(message, optional, tag = "5")]
    tensor: Option<Tensor>,
    #[prost(message, optional, tag = "6")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "10")]
    tensors: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    graphs: Vec<Graph>,
    #[prost(message, optional, tag = "22")]
    sparse_tensor: Option<SparseTensor>,
    #[prost(message, repeated, tag = "23")]
    sparse_tensors: Vec<SparseTensor>,
}

/// `TensorProto`.
#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(message, repeated, tag = "13")]
    external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    data_location: i32,
}

/// `SparseTensorProto`.
#[derive(Clone, PartialEq, Message)]
struct SparseTensor {
    #[prost(message, optional, tag = "1")]
    values: Option<Tensor>,
    #[prost(message, optional, tag = "2")]
    indices: Option<Tensor>,
}

/// `StringStringEntryProto`, of which only the presence matters.
#[derive(Clone, PartialEq, Message)]
struct Entry {}

/// Why a graph is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Not a protobuf of a model.
    #[error("the model file is not an ONNX model: export it again and copy it in binary form")]
    NotOnnx,
    /// Weights outside the file.
    #[error("the model keeps weights in external files: export it as one file (`save_as_external_data=False`)")]
    ExternalData,
    /// An operator that only a custom library knows.
    #[error(
        "the model uses the operator `{operator}` of domain `{domain}`: export it with the standard domains ai.onnx and \
         ai.onnx.ml only"
    )]
    CustomOperator {
        /// The operator.
        operator: String,
        /// Its domain.
        domain: String,
    },
}

/// The domains whose operators the runtime brings itself.
const DOMAINS: [&str; 3] = ["", "ai.onnx", "ai.onnx.ml"];

/// Refuses graphs that reach outside themselves.
///
/// # Errors
/// See [`GraphError`].
pub fn check(model: &[u8]) -> Result<(), GraphError> {
    let model = Model::decode(model).map_err(|_| GraphError::NotOnnx)?;
    let graph = model.graph.ok_or(GraphError::NotOnnx)?;
    check_graph(&graph)?;
    model.functions.iter().try_for_each(|function| check_nodes(&function.nodes))
}

fn check_graph(graph: &Graph) -> Result<(), GraphError> {
    graph.initializers.iter().try_for_each(check_tensor)?;
    graph.sparse_initializers.iter().try_for_each(check_sparse)?;
    check_nodes(&graph.nodes)
}

fn check_nodes(nodes: &[Node]) -> Result<(), GraphError> {
    for node in nodes {
        if !DOMAINS.contains(&node.domain.as_str()) {
            let printable = |text: &str| text.chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
            return Err(GraphError::CustomOperator {
                operator: printable(&node.operator),
                domain: printable(&node.domain),
            });
        }
        for attribute in &node.attributes {
            attribute.tensor.iter().chain(&attribute.tensors).try_for_each(check_tensor)?;
            attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors).try_for_each(check_sparse)?;
            attribute.graph.iter().chain(&attribute.graphs).try_for_each(check_graph)?;
        }
    }
    Ok(())
}

fn check_sparse(tensor: &SparseTensor) -> Result<(), GraphError> {
    tensor.values.iter().chain(&tensor.indices).try_for_each(check_tensor)
}

fn check_tensor(tensor: &Tensor) -> Result<(), GraphError> {
    if tensor.data_location == 0 && tensor.external_data.is_empty() { Ok(()) } else { Err(GraphError::ExternalData) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(graph: Graph) -> Vec<u8> {
        Model { graph: Some(graph), functions: vec![] }.encode_to_vec()
    }

    fn outside() -> Tensor {
        Tensor { external_data: vec![], data_location: 1 }
    }

    #[test]
    fn refuses_what_reaches_outside_wherever_it_hides() {
        let node = |attribute| Node { attributes: vec![attribute], ..Node::default() };
        let nested = Graph { initializers: vec![outside()], ..Graph::default() };
        for graph in [
            Graph { initializers: vec![outside()], ..Graph::default() },
            Graph {
                sparse_initializers: vec![SparseTensor { values: Some(outside()), indices: None }],
                ..Graph::default()
            },
            Graph {
                nodes: vec![node(Attribute { tensor: Some(outside()), ..Attribute::default() })],
                ..Graph::default()
            },
            Graph { nodes: vec![node(Attribute { graphs: vec![nested], ..Attribute::default() })], ..Graph::default() },
        ] {
            assert_eq!(check(&encoded(graph)), Err(GraphError::ExternalData));
        }
        let custom = Node { operator: "Scorer".into(), domain: "com.example".into(), attributes: vec![] };
        assert!(matches!(
            check(&encoded(Graph { nodes: vec![custom], ..Graph::default() })),
            Err(GraphError::CustomOperator { .. })
        ));
    }

    #[test]
    fn refuses_what_is_no_model_and_accepts_a_plain_one() {
        assert_eq!(check(b"<html>not found</html>"), Err(GraphError::NotOnnx));
        assert_eq!(check(b""), Err(GraphError::NotOnnx));
        assert_eq!(check(&encoded(Graph { nodes: vec![Node::default()], ..Graph::default() })), Ok(()));
    }
}
