//! The command line: one binary that serves, and does the offline work with the same code.
//!
//! Exit codes: 0, 1 (failed), 64 (bad settings or usage, every fault listed).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fraud_detection::settings::{Settings, SettingsError};
use fraud_detection::{app, offline};

/// Bad settings or usage, as in `sysexits.h`.
const EXIT_USAGE: u8 = 64;

/// Scores card transactions for fraud.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the HTTP API (the default).
    Serve,
    /// Load a model version as the service would, and say whether it may go live.
    VerifyModel {
        /// The version's folder, or a models folder with metadata.json.
        folder: PathBuf,
    },
    /// Ask the service on this machine whether it is healthy.
    Healthcheck,
    Featurize(offline::featurize::FeaturizeArgs),
    Replay(offline::replay::ReplayArgs),
    Score(offline::score::ScoreArgs),
    Simulate(offline::simulate::SimulateArgs),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let is_fault = error.use_stderr();
            if error.print().is_err() || is_fault {
                return ExitCode::from(if is_fault { EXIT_USAGE } else { 1 });
            }
            return ExitCode::SUCCESS;
        }
    };
    let outcome = match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => Settings::load().map_err(anyhow::Error::from).and_then(app::serve),
        Command::VerifyModel { folder } => offline::verify_model::run(&folder),
        Command::Healthcheck => offline::healthcheck::run(),
        Command::Featurize(args) => offline::featurize::run(&args),
        Command::Replay(args) => offline::replay::run(&args),
        Command::Score(args) => offline::score::run(&args),
        Command::Simulate(args) => offline::simulate::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            let is_usage = error.downcast_ref::<SettingsError>().is_some();
            ExitCode::from(if is_usage { EXIT_USAGE } else { 1 })
        }
    }
}

#[expect(clippy::print_stderr, reason = "the last words of a command that failed")]
fn complain(error: &anyhow::Error) {
    eprintln!("fraud-detection: {error:#}");
}
