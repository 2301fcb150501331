//! The commands beside `serve`, as processes, against a running service where they need one; and what the README says
//! of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::client::{Client, Exchange};
use crate::service::{PATIENCE, Service};

/// Runs the binary with these variables on top of an otherwise bare environment.
fn command(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fraud-detection"));
    command.args(arguments).env_clear().current_dir(env!("CARGO_MANIFEST_DIR"));
    for name in ["PATH", "ORT_DYLIB_PATH", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(settings.iter().copied()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Writes 240 transactions of 12 users, every 40th labelled a fraud; returns the file.
fn transactions(folder: &Path) -> String {
    let mut lines = String::new();
    for number in 0..240 {
        let (user, minute, amount) = (number % 12, number / 12, 5 + number * 37 % 400);
        writeln!(
            lines,
            "{{\"transaction_id\":\"tx-{number}\",\"user_id\":\"u-{user}\",\"amount\":{amount},\"merchant\":\"Shop {user}\",\
             \"location\":\"52.5,13.4\",\"timestamp\":\"2026-04-23T10:{minute:02}:00Z\",\"is_fraud\":{}}}",
            number % 40 == 0
        )
        .unwrap();
    }
    let file = folder.join("transactions.ndjson");
    std::fs::write(&file, lines).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The decisive fields of each decision, by transaction id.
fn decisions(lines: &str, decision: impl Fn(Value) -> Value) -> BTreeMap<String, [Value; 3]> {
    let lines = lines.lines().map(|line| decision(serde_json::from_str(line).unwrap()));
    lines
        .map(|decided| {
            let fields = ["risk_score", "fraud_probability", "red_flags"].map(|field| decided[field].clone());
            (decided["transaction_id"].as_str().unwrap().to_owned(), fields)
        })
        .collect()
}

#[test]
fn replay_measures_a_running_service_and_scoring_offline_decides_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let file = transactions(folder.path());
    let answers = folder.path().join("answers.ndjson");
    let service = Service::start(&[]);
    let url = format!("http://{}", service.address);
    let replay = ["replay", &file, "--url", &url, "--connections", "4"];

    let output = ["--output", answers.to_str().unwrap()];
    let first = command(&[&replay[..], &["--rate", "2000", "--warm-up", "40"], &output].concat(), &[]);
    let report = text(&first.stdout);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    for line in ["transactions  200 in ", " none lost", "statuses      200: 200", "history       full: 200"] {
        assert!(report.contains(line), "no '{line}' in\n{report}");
    }
    assert!(report.contains("labelled      200, of which 5 frauds (2.50 %)"), "{report}");
    assert!(report.contains("average precision 0."), "{report}");

    let again = command(&[&replay[..], &["--batch", "7", "--limit", "100"]].concat(), &[]);
    let report = text(&again.stdout);
    assert!(report.contains("replayed      100 answered from memory"), "{report}");

    let scored = command(&["score", &file], &[]);
    assert_eq!(scored.status.code(), Some(0), "{}", text(&scored.stderr));
    let offline = decisions(text(&scored.stdout), |line| line);
    let online = decisions(&std::fs::read_to_string(&answers).unwrap(), |line| {
        assert_eq!(line["status"], 200);
        line["answer"].clone()
    });
    assert_eq!((offline.len(), online.len()), (240, 200));
    for (id, decision) in online {
        assert_eq!(offline[&id], decision, "{id}");
    }
}

#[test]
fn replay_sends_labels_when_they_become_known() {
    let folder = tempfile::tempdir().unwrap();
    let file = transactions(folder.path());
    let service = Service::start(&[]);
    let url = format!("http://{}", service.address);
    for more in [vec!["--warm-up", "40"], vec!["--batch", "9", "--connections", "3"]] {
        let replay = ["replay", &file, "--url", &url, "--label-delay", "1s"];
        let replayed = command(&[&replay[..], &more].concat(), &[]);
        assert_eq!(replayed.status.code(), Some(0), "{}", text(&replayed.stderr));
        let report = text(&replayed.stdout);
        assert!(report.contains(" sent when they became known, all taken in"), "{report}");
    }
    let mut client = Client::new(service.address, PATIENCE);
    for (id, is_fraud, result) in
        [("tx-0", true, "unchanged"), ("tx-227", false, "unchanged"), ("tx-228", false, "recorded")]
    {
        let label = serde_json::json!({"transaction_id": id, "is_fraud": is_fraud});
        let Exchange::Answered { status: 200, body } = client.post("/feedback", &label) else { panic!("{id}") };
        assert_eq!(body["result"], result, "{id}: the labels of the last minute were never due");
    }
}

#[test]
fn replay_fails_when_a_decision_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let file = transactions(folder.path());
    let mut service = Service::start(&[(
        "FRAUD_HTTP__API_KEYS",
        // The SHA-256 of `test-key`.
        "tests:score:62af8704764faf8ea82fc61ce9c4c3908b6cb97d463a634e9e587d7c885db0ef",
    )]);
    let url = format!("http://{}", service.address);
    let replay = ["replay", &file, "--url", &url, "--limit", "20"];

    let refused = command(&replay, &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stdout).contains("20 LOST"), "{}", text(&refused.stdout));
    assert!(text(&refused.stdout).contains("errors        unauthorized: 20"), "{}", text(&refused.stdout));
    let let_in = command(&[&replay[..], &["--api-key", "test-key"]].concat(), &[]);
    assert_eq!(let_in.status.code(), Some(0), "{}", text(&let_in.stdout));

    service.signal("-TERM");
    assert!(service.wait().success());
    let gone = command(&replay, &[]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(text(&gone.stderr).contains("is the service running?"), "{}", text(&gone.stderr));
    let encrypted = command(&["replay", &file, "--url", "https://example.org"], &[]);
    assert!(text(&encrypted.stderr).contains("only plain HTTP"), "{}", text(&encrypted.stderr));
    for rate in ["-1", "NaN", "1e-9", "inf"] {
        let refused = command(&["replay", &file, &format!("--rate={rate}")], &[]);
        assert!(text(&refused.stderr).contains("--rate must be"), "{rate}: {}", text(&refused.stderr));
    }
}

#[test]
fn healthcheck_tells_by_its_exit_code_and_needs_no_key() {
    let mut service = Service::start(&[("FRAUD_HTTP__BASE_PATH", "/ml")]);
    let port = service.address.port().to_string();
    // As production sets them, but for the keys that a probe does not need.
    let settings = [("PORT", port.as_str()), ("FRAUD_HTTP__BASE_PATH", "/ml"), ("ENVIRONMENT", "production")];
    let healthy = command(&["healthcheck"], &settings);
    assert_eq!((healthy.status.code(), text(&healthy.stderr)), (Some(0), ""));

    let elsewhere = command(&["healthcheck"], &settings[..1]);
    assert_eq!(elsewhere.status.code(), Some(1));
    assert!(text(&elsewhere.stderr).contains("status 404"), "{}", text(&elsewhere.stderr));

    service.signal("-TERM");
    assert!(service.wait().success());
    let gone = command(&["healthcheck"], &settings);
    assert_eq!((gone.status.code(), text(&gone.stderr).lines().count()), (Some(1), 1), "{}", text(&gone.stderr));
}

const README: &str = include_str!("../../README.md");

/// The body of the README's first fenced block of this language.
fn block(language: &str, containing: &str) -> &'static str {
    let blocks = README.split("\n```").map(|block| block.strip_prefix(language)).skip(1).step_by(2);
    blocks.flatten().find(|block| block.contains(containing)).expect("the README has this block").trim()
}

#[test]
fn the_readmes_request_gets_the_readmes_answer() {
    let curl = block("sh", "curl");
    let (_, rest) = curl.split_once("-d '").unwrap();
    let request: Value = serde_json::from_str(rest.trim_end_matches('\'')).unwrap();
    let answer: Value = serde_json::from_str(block("json", "transaction_id")).unwrap();
    let service = Service::start(&[]);
    match Client::new(service.address, PATIENCE).post("/predict", &request) {
        Exchange::Answered { body, .. } => assert_eq!(body, answer, "the README must show {body}"),
        other => panic!("{other:?}"),
    }
}

/// The names of the commands that the binary has.
fn commands() -> Vec<String> {
    let help = command(&["--help"], &[]);
    let (_, commands) = text(&help.stdout).split_once("Commands:\n").unwrap();
    let names = commands.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_readme_lists_every_command() {
    let rows = README.lines().filter_map(|line| line.strip_prefix("| `fraud-detection "));
    let mut listed: Vec<&str> = rows.filter_map(|row| row.split(['`', ' ']).next()).collect();
    let mut there = commands();
    listed.sort_unstable();
    there.sort_unstable();
    assert_eq!(listed, there);
}

#[test]
fn the_documentation_names_no_command_that_there_is_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let there = commands();
    for document in documents.filter(|path| path.extension().is_some_and(|extension| extension == "md")) {
        let document_text = std::fs::read_to_string(&document).unwrap();
        for rest in document_text.split("fraud-detection ").skip(1) {
            let word = rest.split(|letter: char| !letter.is_ascii_lowercase() && letter != '-').next().unwrap();
            let in_code = document_text.contains(&format!("`fraud-detection {word}"));
            assert!(!in_code || there.iter().any(|name| name == word), "{}: {word}", document.display());
        }
    }
}
