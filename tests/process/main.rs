//! The real binary, its signals, its stdout and its exit codes.

#![allow(clippy::unwrap_used, reason = "what a helper cannot do fails the test")]

mod client;
mod commands;
mod service;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use client::{Client, Exchange};
use service::{PATIENCE, Service};

fn transaction(id: &str, user: &str, minute: u64, amount: f64) -> Value {
    json!({
        "transaction_id": id,
        "amount": amount,
        "merchant": "Corner shop",
        "location": "52.5,13.4",
        "timestamp": 1_776_939_330 + 60 * minute,
        "user_id": user,
        "merchant_category": "grocery",
    })
}

/// How one worker's requests ended, by transaction id.
#[derive(Default)]
struct Ledger {
    answered: HashMap<String, u16>,
    unanswered: Vec<String>,
    cut: Vec<String>,
}

/// Sends unique transactions over one connection until nobody listens or `stop` is set; counts those decided.
fn worker(address: SocketAddr, worker: usize, stop: Arc<AtomicBool>, decided: Arc<AtomicUsize>) -> JoinHandle<Ledger> {
    std::thread::spawn(move || {
        let mut client = Client::new(address, PATIENCE);
        let mut ledger = Ledger::default();
        for n in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let id = format!("w{worker}-{n}");
            let body = transaction(&id, &format!("user{worker}"), n, 20.0 + (n % 50) as f64);
            match client.post("/predict", &body) {
                Exchange::Answered { status, .. } => {
                    decided.fetch_add(usize::from(status == 200), Ordering::Relaxed);
                    ledger.answered.insert(id, status);
                }
                Exchange::Refused => break,
                Exchange::Unanswered => ledger.unanswered.push(id),
                Exchange::Cut(how) => ledger.cut.push(format!("{id}: {how}")),
            }
        }
        ledger
    })
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun_at = Instant::now();
    while !condition() {
        assert!(begun_at.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

fn decided_ids(log: &[Value]) -> Vec<String> {
    let with_decision = log.iter().filter(|line| line["decision"].is_string());
    with_decision.map(|line| line["transaction_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn sigterm_under_load_loses_and_cuts_nothing_and_exits_0() {
    let mut service = Service::start(&[("FRAUD_SHUTDOWN__DRAIN_DELAY", "1s")]);
    let log = service.read_log();
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let workers: Vec<_> = (0..64).map(|n| worker(service.address, n, Arc::clone(&stop), Arc::clone(&count))).collect();
    wait_until("the load runs", || count.load(Ordering::Relaxed) > 1000);
    service.signal("-TERM");

    // The workers end by themselves: only a refused connection stops them.
    let ledgers: Vec<Ledger> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    assert_eq!(service.wait().code(), Some(0));
    let log = log.join().unwrap();

    let cut: Vec<&String> = ledgers.iter().flat_map(|ledger| &ledger.cut).collect();
    assert!(cut.is_empty(), "{cut:?}");
    let mut answered: Vec<&String> = Vec::new();
    for (id, status) in ledgers.iter().flat_map(|ledger| &ledger.answered) {
        assert_eq!(*status, 200, "{id}");
        answered.push(id);
    }
    assert!(answered.len() > 1000);
    let decided = decided_ids(&log);
    let distinct: HashSet<&String> = decided.iter().collect();
    assert_eq!(distinct.len(), decided.len(), "a decision left two lines");
    // Every answer has its line; and what was never answered was never accepted.
    assert_eq!(distinct, answered.into_iter().collect());
    for id in ledgers.iter().flat_map(|ledger| &ledger.unanswered) {
        assert!(!distinct.contains(id), "{id} was accepted and not answered");
    }
    assert!(log.iter().any(|line| line["message"] == "stopped"), "{:?}", log.last());
}

#[test]
fn a_stalled_stdout_makes_requests_wait_and_loses_no_line() {
    let mut service = Service::start(&[
        ("FRAUD_LOG__BUFFER_LINES", "1024"),
        ("FRAUD_HTTP__MAX_CONNECTIONS", "20"),
        ("FRAUD_HTTP__DEADLINE", "500ms"),
    ]);
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let workers: Vec<_> = (0..16).map(|n| worker(service.address, n, Arc::clone(&stop), Arc::clone(&count))).collect();

    // Nobody reads stdout: the pipe fills, then the buffer, then requests are refused at their deadline.
    let mut probe = Client::new(service.address, PATIENCE);
    let begun_at = Instant::now();
    let mut before = 0;
    while count.load(Ordering::Relaxed) != std::mem::replace(&mut before, count.load(Ordering::Relaxed)) || before == 0
    {
        assert!(begun_at.elapsed() < PATIENCE, "the stall never showed");
        let Exchange::Answered { status: 200, .. } = probe.get("/health") else { panic!("/health must stay green") };
        std::thread::park_timeout(Duration::from_millis(200));
    }
    let resident = service.resident_kib();
    let Exchange::Answered { status, .. } = probe.post("/predict", &transaction("late", "late", 0, 1.0)) else {
        panic!("a stalled log must refuse, not hang")
    };
    assert_eq!(status, 504);
    assert!(service.resident_kib() < resident + 32 * 1024, "memory grows while stdout stalls");

    // Let go again.
    let log = service.read_log();
    let resumed = count.load(Ordering::Relaxed) + 500;
    wait_until("requests are answered again", || count.load(Ordering::Relaxed) > resumed);
    stop.store(true, Ordering::Relaxed);
    let ledgers: Vec<Ledger> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    service.signal("-TERM");
    assert_eq!(service.wait().code(), Some(0));
    let decided = decided_ids(&log.join().unwrap());

    let answered: HashSet<String> = ledgers
        .iter()
        .flat_map(|ledger| &ledger.answered)
        .filter(|(_, status)| **status == 200)
        .map(|(id, _)| id.clone())
        .collect();
    assert_eq!(decided.len(), answered.len(), "a line is missing or stands twice");
    assert_eq!(decided.into_iter().collect::<HashSet<_>>(), answered);
}

#[test]
fn many_users_at_once_over_http_get_the_scores_of_a_sequential_run() {
    let service = Service::start(&[]);
    let calm = Service::start(&[]);
    let users = 16;
    let rounds = 25;
    let answer = |client: &mut Client, user: usize, n: usize| {
        let amount = 5.0 + ((user * 31 + n * 17) % 400) as f64;
        let body = transaction(&format!("u{user}-{n}"), &format!("user{user}"), n as u64, amount);
        match client.post("/predict", &body) {
            Exchange::Answered { status: 200, body } => body,
            other => panic!("{other:?}"),
        }
    };
    let crowd: Vec<JoinHandle<Vec<Value>>> = (0..users)
        .map(|user| {
            let mut client = Client::new(service.address, PATIENCE);
            std::thread::spawn(move || (0..rounds).map(|n| answer(&mut client, user, n)).collect())
        })
        .collect();
    let mut client = Client::new(calm.address, PATIENCE);
    for (user, answers) in crowd.into_iter().enumerate() {
        for (n, crowded) in answers.join().unwrap().into_iter().enumerate() {
            assert_eq!(crowded, answer(&mut client, user, n));
        }
    }
}

/// Runs the binary to its end; exit code and stderr.
fn run(arguments: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fraud-detection"))
        .args(arguments)
        .envs(settings.iter().copied())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn exit_codes_tell_bad_settings_from_failures() {
    let (code, stderr) = run(&[], &[("PORT", "abc"), ("FRAUD_HTPP__PORT", "1")]);
    assert_eq!(code, Some(64));
    assert!(stderr.contains("http.port") && stderr.contains("FRAUD_HTPP__PORT"), "{stderr}");
    let (code, _) = run(&["serve", "--no-such-flag"], &[]);
    assert_eq!(code, Some(64));
    let (code, stderr) = run(&["verify-model", "no/such/folder"], &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("no/such/folder"), "{stderr}");
    assert_eq!(run(&["verify-model", "models"], &[]), (Some(0), String::new()));
}

#[test]
fn a_model_that_cannot_be_loaded_ends_the_start_with_1_and_says_why() {
    let output = Command::new(env!("CARGO_BIN_EXE_fraud-detection"))
        .envs([("PORT", "0"), ("FRAUD_HTTP__HOST", "127.0.0.1"), ("MODEL_PATH", "no/such/models")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stdout).unwrap();
    assert!(log.contains("no/such/models holds neither"), "{log}");
}
