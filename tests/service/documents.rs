//! The published contract and the page to try it.

use std::path::Path;

use fraud_detection::http::openapi::contract;
use serde_json::Value;

use crate::service::{Service, shared};
use crate::transactions::{plain, unique};

/// `UPDATE_OPENAPI=1 cargo test openapi` writes it anew.
#[test]
fn the_golden_openapi_is_what_the_service_publishes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let contract = contract("").to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &contract).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert!(golden == contract, "docs/openapi.json is stale: run `UPDATE_OPENAPI=1 cargo test openapi`");
    let golden: Value = serde_json::from_str(&golden).unwrap();
    assert_eq!(shared().get("/openapi.json").json(), golden);
}

#[test]
fn the_openapi_document_names_only_schemas_that_it_holds() {
    let contract = shared().get("/openapi.json").json();
    let mut references = Vec::new();
    collect_references(&contract, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(contract.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect_references(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                references.push(reference.clone());
            }
            members.values().for_each(|member| collect_references(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, references)),
        _ => {}
    }
}

#[test]
fn answers_hold_exactly_the_members_that_the_openapi_document_lists() {
    let contract = shared().get("/openapi.json").json();
    for (schema, answer) in [
        ("PredictResponse", shared().post("/predict", plain(&unique()).to_string()).json()),
        ("BatchResponse", shared().post("/batch", format!("[{}]", plain(&unique()))).json()),
        ("HealthResponse", shared().get("/health").json()),
        ("ReadyResponse", shared().get("/ready").json()),
        ("ModelResponse", shared().get("/model").json()),
        ("Problem", shared().post("/predict", "{}").json()),
    ] {
        let schema = &contract["components"]["schemas"][schema];
        let listed: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        let held: Vec<&String> = answer.as_object().unwrap().keys().collect();
        assert_eq!(sorted(listed), sorted(held));
    }
}

fn sorted(mut names: Vec<&String>) -> Vec<&String> {
    names.sort();
    names
}

#[test]
fn the_page_works_without_the_internet_and_under_a_base_path() {
    let under = Service::start(&[("FRAUD_HTTP__BASE_PATH", "/ml")]);
    for (service, base_path) in [(shared(), ""), (&under, "/ml")] {
        let redirect = service.get(&format!("{base_path}/docs"));
        assert_eq!((redirect.status, redirect.header("location")), (307, Some("docs/")));
        let page = service.get(&format!("{base_path}/docs/"));
        assert!(page.header("content-type").unwrap().starts_with("text/html"));
        let files: Vec<String> = ["src=\"", "href=\""]
            .iter()
            .flat_map(|attribute| page.text().split(attribute).skip(1))
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect();
        assert!(files.len() >= 4, "{files:?}");
        for file in files {
            assert!(!file.contains("//"), "{file} is not ours");
            let found = service.get(&format!("{base_path}/docs/{}", file.trim_start_matches("./")));
            assert_eq!(found.status, 200, "{file}");
        }
        let start = service.get(&format!("{base_path}/docs/swagger-initializer.js"));
        assert!(start.text().contains("\"../openapi.json\"") && start.text().contains("\"validatorUrl\": \"none\""));
        let server = &service.get(&format!("{base_path}/openapi.json")).json()["servers"][0]["url"];
        assert_eq!(server, if base_path.is_empty() { "/" } else { base_path });
        for path in ["nowhere.js", "%ff", "../Cargo.toml"] {
            assert_eq!(service.get(&format!("{base_path}/docs/{path}")).code(), "not_found", "{path}");
        }
    }
}

#[test]
fn a_base_path_is_before_every_route() {
    let service = Service::start(&[("FRAUD_HTTP__BASE_PATH", "/ml")]);
    for path in ["/health", "/ready", "/metrics", "/model", "/openapi.json"] {
        assert_eq!(service.get(&format!("/ml{path}")).status, 200, "{path}");
        assert_eq!(service.get(path).code(), "not_found", "{path}");
    }
    assert_eq!(service.post("/ml/predict", plain("base-path").to_string()).status, 200);
    assert_eq!(service.get("/ml/predict").code(), "method_not_allowed");
    assert_eq!(service.get("/ml/nowhere").code(), "not_found");
    assert_eq!(service.get("/ml").code(), "not_found");
}
