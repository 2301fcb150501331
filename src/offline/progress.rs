//! How far long work has come: a bar on a terminal, a plain line now and then elsewhere, always on standard error.
//!
//! Says nothing of results; those belong to standard output.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a plain line is written at most.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Progress through `total` steps, or through an unknown number of them.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: Option<u64>,
    done: u64,
    began: Instant,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Progress {
    /// Begins to show `what` is being done, such as `sending`.
    #[must_use]
    pub fn begin(what: &'static str, total: Option<u64>) -> Self {
        let began = Instant::now();
        let shown =
            if std::io::stderr().is_terminal() { Shown::Bar(bar(what, total)) } else { Shown::Lines { last: began } };
        Self { what, total, done: 0, began, shown }
    }

    /// Counts `steps` more as done.
    pub fn advance(&mut self, steps: u64) {
        self.done += steps;
        match &mut self.shown {
            Shown::Bar(bar) => bar.inc(steps),
            Shown::Lines { last } if last.elapsed() >= PLAIN_INTERVAL => {
                *last = Instant::now();
                say(&line(self.what, self.done, self.total, self.began.elapsed()));
            }
            Shown::Lines { .. } => {}
        }
    }

    /// Ends with one plain line that says how many there were and how long they took.
    pub fn finish(self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
        say(&line(self.what, self.done, None, self.began.elapsed()));
    }
}

fn bar(what: &'static str, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{msg} {wide_bar} {human_pos} of {human_len} ({per_sec}, {eta} left)",
        None => "{msg} {spinner} {human_pos} ({per_sec}, {elapsed})",
    };
    let style = ProgressStyle::with_template(template).expect("the templates above are well formed");
    let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    bar.set_style(style);
    bar.set_message(what);
    bar
}

/// One line of progress: `sending: 5,000 of 20,000 in 10.0 s (500 a second)`.
fn line(what: &str, done: u64, total: Option<u64>, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let total = total.map(|total| format!(" of {}", grouped(total))).unwrap_or_default();
    let rate = grouped((done as f64 / seconds.max(1e-3)).round() as u64);
    format!("{what}: {}{total} in {seconds:.1} s ({rate} a second)", grouped(done))
}

/// A number with its thousands set apart: `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::print_stderr, reason = "the command line's own output")]
fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn a_line_says_how_far_and_how_fast() {
        let elapsed = Duration::from_secs(10);
        assert_eq!(line("sending", 5_000, Some(20_000), elapsed), "sending: 5,000 of 20,000 in 10.0 s (500 a second)");
        assert_eq!(line("sending", 0, None, Duration::ZERO), "sending: 0 in 0.0 s (0 a second)");
    }

    #[test]
    fn bars_of_both_kinds_can_be_made() {
        bar("sending", Some(3)).finish_and_clear();
        bar("sending", None).finish_and_clear();
    }
}
