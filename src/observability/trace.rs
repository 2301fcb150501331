//! The trace a request belongs to, read from the headers of its caller or of the load balancer.
//!
//! Only texts of the exact form are taken over into the log: anyone can send these headers.

/// The trace id of `traceparent` (W3C: its 32 hexadecimal digits), else of `X-Amzn-Trace-Id` (its `Root`).
#[must_use]
pub fn trace_id<'a>(traceparent: Option<&'a str>, amzn_trace_id: Option<&'a str>) -> Option<&'a str> {
    traceparent.and_then(from_traceparent).or_else(|| amzn_trace_id.and_then(from_amzn))
}

/// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`; later versions may add parts.
/// <https://www.w3.org/TR/trace-context/#traceparent-header>
fn from_traceparent(header: &str) -> Option<&str> {
    let mut parts = header.trim().split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let valid = is_hexadecimal(version, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && is_hexadecimal(trace, 32)
        && is_hexadecimal(parent, 16)
        && is_hexadecimal(flags, 2)
        && [trace, parent].iter().all(|id| id.bytes().any(|digit| digit != b'0'));
    valid.then_some(trace)
}

/// `Root=1-67891233-abcdef012345678912345678;Parent=…;Sampled=1`, in any order; a load balancer adds `Self=…`.
fn from_amzn(header: &str) -> Option<&str> {
    let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root="))?.trim();
    let (seconds, random) = root.strip_prefix("1-")?.split_once('-')?;
    (is_hexadecimal(seconds, 8) && is_hexadecimal(random, 24)).then_some(root)
}

fn is_hexadecimal(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_over_only_what_has_the_exact_form() {
        let (w3c, root) = ("4bf92f3577b34da6a3ce929d0e0e4736", "1-67891233-abcdef012345678912345678");
        for (traceparent, amzn, expected) in [
            (Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), None, Some(w3c)),
            (Some("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"), None, Some(w3c)),
            (None, Some("Root=1-67891233-abcdef012345678912345678"), Some(root)),
            (None, Some("Self=1-67891233-x; Root=1-67891233-abcdef012345678912345678;Sampled=1"), Some(root)),
            (Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), Some("Root=1-0-0"), Some(w3c)),
            (Some("nonsense"), Some("Root=1-67891233-abcdef012345678912345678"), Some(root)),
            (None, None, None),
            (Some(""), Some(""), None),
            (Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), None, None),
            (Some("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"), None, None),
            (Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more"), None, None),
            (Some("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), None, None),
            (Some("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"), None, None),
            (None, Some("Root=1-67891233-\"}injected012345678"), None),
            (None, Some("Parent=1-67891233-abcdef012345678912345678"), None),
        ] {
            assert_eq!(trace_id(traceparent, amzn), expected, "{traceparent:?} {amzn:?}");
        }
    }
}
