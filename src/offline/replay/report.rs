//! The text that a replay ends with.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::domain::Decision;
use crate::offline::progress::grouped;
use crate::offline::ranking::Ranked;
use crate::offline::replay::tally::{Confusion, Tally};

/// What was counted in `elapsed`, in words and a table: throughput, latencies, statuses, decisions, and with labels how
/// good the decisions were.
#[must_use]
pub fn report(tally: Tally, elapsed: Duration) -> String {
    let mut text = String::new();
    write(&mut text, tally, elapsed).expect("writing into a String never fails");
    text
}

fn write(out: &mut String, tally: Tally, elapsed: Duration) -> fmt::Result {
    let seconds = elapsed.as_secs_f64();
    let per_second = grouped((tally.transactions as f64 / seconds.max(1e-3)).round() as u64);
    let lost = if tally.lost == 0 { "none lost".to_owned() } else { format!("{} LOST", grouped(tally.lost)) };
    writeln!(out, "transactions  {} in {seconds:.1} s, {per_second} a second, {lost}", grouped(tally.transactions))?;
    if !tally.latencies.is_empty() {
        let at = |quantile| milliseconds(tally.latencies.value_at_quantile(quantile));
        writeln!(
            out,
            "latency       p50 {} ms, p90 {}, p99 {}, p99.9 {}, max {} (from when each was due, retries included)",
            at(0.5),
            at(0.9),
            at(0.99),
            at(0.999),
            milliseconds(tally.latencies.max())
        )?;
    }
    let named = |(status, count): (&u16, &u64)| match status {
        0 => ("none".to_owned(), *count),
        status => (status.to_string(), *count),
    };
    list(out, "statuses", tally.statuses.iter().map(named))?;
    if tally.decisions.iter().any(|count| *count > 0) {
        let decided = Decision::ALL.iter().zip(tally.decisions);
        list(out, "decisions", decided.map(|(decision, count)| (decision.as_str().to_owned(), count)))?;
    }
    list(out, "history", tally.histories.iter().map(|(history, count)| ((*history).to_owned(), *count)))?;
    list(out, "errors", tally.errors.iter().map(|(code, count)| (code.clone(), *count)))?;
    let tried_again =
        [("refused", tally.refused), ("broken", tally.broken)].into_iter().filter(|(_, count)| *count > 0);
    list(out, "tried again", tried_again.map(|(why, count)| (why.to_owned(), count)))?;
    if tally.labels > 0 {
        let lost = if tally.labels_lost == 0 {
            "all taken in".to_owned()
        } else {
            format!("{} LOST", grouped(tally.labels_lost))
        };
        writeln!(out, "labels        {} sent when they became known, {lost}", grouped(tally.labels))?;
    }
    if tally.replayed > 0 {
        writeln!(out, "replayed      {} answered from memory", grouped(tally.replayed))?;
    }
    let ranked = tally.ranking.ranked();
    if ranked.count() > 0 {
        quality(out, tally.declined, tally.reviewed, &ranked)?;
    }
    Ok(())
}

fn quality(out: &mut String, declined: Confusion, reviewed: Confusion, ranked: &Ranked) -> fmt::Result {
    let (count, frauds) = (ranked.count(), ranked.frauds());
    let rate = percent(Some(frauds as f64 / count as f64));
    writeln!(out, "\nlabelled      {}, of which {} frauds ({rate})\n", grouped(count as u64), grouped(frauds as u64))?;
    writeln!(
        out,
        "{:24}{:>10}{:>12}{:>13}{:>10}{:>18}",
        "", "fraud", "genuine", "precision", "recall", "false positives"
    )?;
    for (stopped, passed, confusion) in
        [("declined", "not declined", declined), ("declined or reviewed", "approved", reviewed)]
    {
        writeln!(
            out,
            "{stopped:24}{:>10}{:>12}{:>13}{:>10}{:>18}",
            grouped(confusion.true_positives),
            grouped(confusion.false_positives),
            percent(confusion.precision()),
            percent(confusion.recall()),
            percent(confusion.false_positive_rate()),
        )?;
        writeln!(
            out,
            "{passed:24}{:>10}{:>12}",
            grouped(confusion.false_negatives),
            grouped(confusion.true_negatives)
        )?;
    }
    let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    writeln!(
        out,
        "\naverage precision {}, recall {} at 0.5 % alerts, {} at 1 % alerts",
        figure(ranked.average_precision()),
        figure(ranked.recall_at(0.005)),
        figure(ranked.recall_at(0.01))
    )
}

/// `statuses      200: 5,000, 503: 2`; nothing for an empty list.
fn list(out: &mut String, title: &str, counts: impl Iterator<Item = (String, u64)>) -> fmt::Result {
    let counts: Vec<String> = counts.map(|(name, count)| format!("{name}: {}", grouped(count))).collect();
    if counts.is_empty() { Ok(()) } else { writeln!(out, "{title:14}{}", counts.join(", ")) }
}

fn milliseconds(microseconds: u64) -> String {
    format!("{:.2}", microseconds as f64 / 1000.0)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.2} %", 100.0 * share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offline::replay::tally::tests::{decision, outcome};

    #[test]
    fn the_report_reads_well() {
        let mut tally = Tally::default();
        for (decided, probability, is_fraud, times) in [
            ("decline", 0.9, true, 18),
            ("decline", 0.9, false, 2),
            ("review", 0.5, true, 3),
            ("review", 0.5, false, 30),
            ("approve", 0.1, true, 1),
            ("approve", 0.1, false, 1_946),
        ] {
            let outcome = outcome(200, &decision(decided, probability), &[Some(is_fraud)]);
            (0..times).for_each(|_| tally.add(&outcome, |_, _, _| Ok::<_, ()>(())).unwrap());
        }
        (tally.refused, tally.labels) = (4, 1_500);
        insta::assert_snapshot!(report(tally, Duration::from_secs(4)));
    }

    #[test]
    fn what_did_not_happen_is_left_out_and_losses_are_loud() {
        let mut tally = Tally::default();
        tally.add(&outcome(503, r#"{"code":"overloaded"}"#, &[None, None]), |_, _, _| Ok::<_, ()>(())).unwrap();
        insta::assert_snapshot!(report(tally, Duration::from_secs(1)));
    }
}
