//! Entries over time in bounded memory: the newest one by one, the older ones in buckets, for merchants and for labels.
//!
//! A merchant may see millions of transactions within its longest window. The newest [`RECENT`] entries are kept as
//! they are, so for all but busy merchants everything here is exact. What is older is folded into buckets, for each
//! window its own, a thirtieth of it long. A bucket counts in a window when its middle does, so a window's old end is
//! off by at most a sixtieth of its length; its new end, for transactions that come in order, is exact.

use std::ops::Range;

use crate::domain::Turnover;
use crate::history::Entry;
use crate::history::windows::KEPT_MS;

/// How many entries are kept one by one.
pub const RECENT: usize = 128;

/// How many buckets a window is cut into.
const BUCKETS_PER_WINDOW: i64 = 30;

/// A bucket's number takes these bits of its key: 2^42 ms in buckets of two minutes need 26.
const NUMBER_BITS: u32 = 28;

/// The sums of what was folded, of one window's buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bucket {
    /// The window's index, then the bucket's number: its middle lies at `(number + 1/2) * width`.
    key: u32,
    count: u32,
    /// Stands still at its largest value instead of wrapping.
    sum: u64,
}

/// Entries of one merchant, or labels of one user or merchant.
///
/// Which entries are kept one by one is decided by the set of those recorded alone, not by the order of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// Sorted.
    recent: Vec<Entry>,
    /// Sorted by key.
    folded: Vec<Bucket>,
}

impl Timeline {
    /// The entry of a transaction, if it is one of the newest.
    #[must_use]
    pub fn held(&self, id: u32) -> Option<Entry> {
        self.recent.iter().rev().find(|entry| entry.id() == id).copied()
    }

    /// Forgets the entry of a transaction, if it is one of the newest.
    pub fn remove(&mut self, id: u32) {
        self.recent.retain(|entry| entry.id() != id);
    }

    /// Adds an entry of a transaction that has none, and forgets what no window reaches any more; `windows` are the
    /// lengths that will be asked for. Returns whether the entry is kept: not if it is older than the longest window
    /// and a week, counted from the newest.
    pub fn insert(&mut self, entry: Entry, windows: &[i64]) -> bool {
        let newest = self.recent.last().map_or(i64::MIN, Entry::millis).max(entry.millis());
        let oldest_kept = newest - KEPT_MS + 1;
        if entry.millis() < oldest_kept {
            return false;
        }
        self.recent.drain(..self.recent.partition_point(|held| held.millis() < oldest_kept));
        make_room(&mut self.recent);
        self.recent.insert(self.recent.partition_point(|held| *held < entry), entry);
        if self.recent.len() > RECENT {
            let oldest = self.recent.remove(0);
            self.fold(oldest, windows);
        }
        for (index, &window) in (0..).zip(windows) {
            let stale = self.range(index, 0, first_number(newest, reach(window), width(window)));
            self.folded.drain(stale);
        }
        true
    }

    /// For each of `windows`, shortest first, the entries in `(at - window, at]` but the one of the transaction `id`.
    #[must_use]
    pub fn sums<const N: usize>(&self, at: i64, id: u32, windows: &[i64; N]) -> [Turnover; N] {
        let mut sums = [Turnover::default(); N];
        // Newest first, one sum grows; each window takes its value when the first entry too old for it comes by.
        let (mut sum, mut open) = (Turnover::default(), 0..N);
        for entry in self.recent.iter().rev().filter(|entry| entry.id() != id) {
            let age = at - entry.millis();
            if age < 0 {
                continue;
            }
            while !open.is_empty() && age >= windows[open.start] {
                sums[open.start] = sum;
                open.start += 1;
            }
            if open.is_empty() {
                break;
            }
            add(&mut sum, 1, entry.value());
        }
        sums[open].fill(sum);
        for ((index, &window), sum) in (0..).zip(windows).zip(&mut sums).filter(|_| !self.folded.is_empty()) {
            let width = width(window);
            let inside = self.range(index, first_number(at, window, width), first_number(at, 0, width));
            for bucket in self.folded.get(inside).unwrap_or_default() {
                add(sum, bucket.count, bucket.sum);
            }
        }
        sums
    }

    /// What the lists have room for, in bytes, one list after the other.
    #[must_use]
    pub fn capacities(&self) -> [usize; 2] {
        [self.recent.capacity() * Entry::BYTES, self.folded.capacity() * size_of::<Bucket>()]
    }

    /// Where the buckets `from..to` of a window are.
    fn range(&self, window: u32, from: i64, to: i64) -> Range<usize> {
        let start = self.folded.partition_point(|bucket| bucket.key < key(window, from));
        start..self.folded.partition_point(|bucket| bucket.key < key(window, to)).max(start)
    }

    fn fold(&mut self, entry: Entry, windows: &[i64]) {
        for (index, &window) in (0..).zip(windows) {
            let key = key(index, entry.millis() / width(window));
            let place = self.folded.partition_point(|bucket| bucket.key < key);
            match self.folded.get_mut(place).filter(|bucket| bucket.key == key) {
                Some(bucket) => {
                    bucket.count = bucket.count.saturating_add(1);
                    bucket.sum = bucket.sum.saturating_add(entry.value());
                }
                None => {
                    make_room(&mut self.folded);
                    self.folded.insert(place, Bucket { key, count: 1, sum: entry.value() });
                }
            }
        }
    }
}

fn key(window: u32, number: i64) -> u32 {
    // Numbers are below 2^26, and one past the last is asked for at most.
    (window << NUMBER_BITS) | number.max(0) as u32
}

/// The first bucket whose middle lies after `at - back`.
fn first_number(at: i64, back: i64, width: i64) -> i64 {
    (at - back - width / 2).div_euclid(width) + 1
}

/// Grows a full list by a quarter: doubled, half of it would be unused.
fn make_room<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(2));
    }
}

fn width(window: i64) -> i64 {
    window / BUCKETS_PER_WINDOW
}

/// How long a window's buckets are kept: a transaction that comes late by the window's own length, but at most a week,
/// still finds it whole.
fn reach(window: i64) -> i64 {
    (2 * window).min(KEPT_MS)
}

fn add(sum: &mut Turnover, count: u32, units: u64) {
    sum.count = sum.count.saturating_add(count);
    sum.sum = sum.sum.saturating_add(units);
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::Timestamp;
    use crate::domain::history::MERCHANT_WINDOWS_MS;

    const BEGIN_MS: i64 = 1_700_000_000_000;
    const HOUR_MS: i64 = 3_600_000;

    fn entry(at: i64, id: u32, value: i64) -> Entry {
        Entry::new(Timestamp::from_millis(BEGIN_MS + at).unwrap(), id, value)
    }

    fn recorded(entries: &[Entry]) -> Timeline {
        let mut timeline = Timeline::default();
        for &entry in entries {
            timeline.insert(entry, &MERCHANT_WINDOWS_MS);
        }
        timeline
    }

    /// The definition, without any bound.
    fn exact(entries: &[Entry], at: i64, id: u32, window: i64) -> Turnover {
        let inside = |entry: &&Entry| (0..window).contains(&(at - entry.millis())) && entry.id() != id;
        let mut sum = Turnover::default();
        entries.iter().filter(inside).for_each(|entry| add(&mut sum, 1, entry.value()));
        sum
    }

    /// Entries at distinct ids, so many, within so many hours.
    fn stream(count: std::ops::Range<usize>, hours: i64) -> impl Strategy<Value = Vec<Entry>> {
        prop::collection::vec((0..hours * HOUR_MS, 0..10_000_000_i64), count)
            .prop_map(|list| (0..).zip(list).map(|(id, (at, value))| entry(at, id, value)).collect())
    }

    proptest! {
        /// Up to so many entries as are kept one by one, every window is exact, in whatever order they came, also for a
        /// transaction that comes late.
        #[test]
        fn small_timelines_are_exact(entries in stream(0..RECENT, 24 * 36), late in 0..40 * 24 * HOUR_MS, id in 0..200_u32) {
            let timeline = recorded(&entries);
            let at = BEGIN_MS + late;
            let sums = timeline.sums(at, id, &MERCHANT_WINDOWS_MS);
            for (sum, window) in sums.into_iter().zip(MERCHANT_WINDOWS_MS) {
                prop_assert_eq!(sum, exact(&entries, at, id, window));
            }
        }

        /// Beyond that, a window is the exact one with its old end moved by at most a sixtieth of its length.
        #[test]
        fn windows_of_busy_merchants_are_off_by_a_sixtieth(
            mut entries in stream(600..1200, 24 * 36),
            beyond in 0..2 * HOUR_MS,
        ) {
            entries.sort();
            let timeline = recorded(&entries);
            let at = entries.last().unwrap().millis() + beyond;
            for (sum, window) in timeline.sums(at, u32::MAX, &MERCHANT_WINDOWS_MS).into_iter().zip(MERCHANT_WINDOWS_MS) {
                let (short, long) = (exact(&entries, at, u32::MAX, window - window / 60), exact(&entries, at, u32::MAX, window + window / 60));
                prop_assert!((short.count..=long.count).contains(&sum.count), "{sum:?} not in {short:?}..={long:?}");
                prop_assert!((short.sum..=long.sum).contains(&sum.sum), "{sum:?} not in {short:?}..={long:?}");
            }
        }

        /// What is kept is decided by the set, and the room it takes is bounded.
        #[test]
        fn the_order_of_arrival_is_forgotten_and_memory_bounded(
            (entries, shuffled) in stream(0..600, 24 * 60)
                .prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle())),
        ) {
            let (timeline, other) = (recorded(&entries), recorded(&shuffled));
            prop_assert_eq!(&timeline.recent, &other.recent);
            prop_assert!(timeline.folded.len() <= 60 + 60 + 60 + 37 + MERCHANT_WINDOWS_MS.len());
            let at = entries.iter().map(Entry::millis).max().unwrap_or(BEGIN_MS);
            let sums = |timeline: Timeline| timeline.sums(at, u32::MAX, &MERCHANT_WINDOWS_MS);
            prop_assert_eq!(sums(timeline), sums(other));
        }
    }

    #[test]
    fn the_newest_are_told_by_id_and_can_be_taken_back() {
        let entries: Vec<Entry> = (0..200).map(|n| entry(i64::from(n) * 1000, n, 5)).collect();
        let mut timeline = recorded(&entries);
        let held: HashMap<u32, bool> = (0..200).map(|id| (id, timeline.held(id).is_some())).collect();
        assert!(held.iter().all(|(&id, &held)| held == (id >= 72)));
        timeline.remove(150);
        let at = BEGIN_MS + 199_000;
        assert_eq!(timeline.sums(at, 199, &MERCHANT_WINDOWS_MS)[3], Turnover { count: 198, sum: 990 });
    }

    #[test]
    fn a_sum_beyond_its_bits_stands_still() {
        let largest = 10_000_000_000_000_000;
        let entries: Vec<Entry> = (0..4000).map(|n| entry(i64::from(n), n, largest)).collect();
        assert_eq!(recorded(&entries).sums(BEGIN_MS + 4000, 0, &MERCHANT_WINDOWS_MS)[3].sum, u64::MAX);
    }
}
