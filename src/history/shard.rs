//! A part of all records, under one lock: found by key, bounded in bytes, the least recently used evicted first.
//!
//! Invariant: after every update the shard counts at most its bound, where every allocation counts with its whole
//! capacity. A bound too small for a single record keeps none.

use std::fmt::Debug;

use hashbrown::HashTable;

use crate::history::record::{MerchantRecord, UserRecord};

/// What the allocator of glibc adds to a block: a header of 8 bytes, and rounding up to 16.
const BLOCK_HEADER: usize = 8;
const BLOCK_ROUNDING: usize = 16;

/// The end of a chain of records.
const NOBODY: u32 = u32::MAX;

/// A keyed hash: evenly spread, every byte of it.
pub(super) type Key = [u8; 16];

/// What a shard keeps.
pub(super) trait Record: Default + Debug {
    /// What it takes from the allocator, in bytes.
    fn bytes(&self) -> usize;
    /// How many events it holds.
    fn events(&self) -> u64;
}

impl Record for UserRecord {
    fn bytes(&self) -> usize {
        self.blocks().into_iter().map(block_bytes).sum()
    }

    fn events(&self) -> u64 {
        self.len() as u64
    }
}

impl Record for MerchantRecord {
    fn bytes(&self) -> usize {
        self.blocks().into_iter().map(block_bytes).sum()
    }

    /// A merchant's events are the users' own, counted there.
    fn events(&self) -> u64 {
        0
    }
}

/// One record, and its neighbours in the order of use. A vacant place has an empty record, and `older` is the next
/// vacant one.
#[derive(Debug)]
struct Slot<R> {
    key: Key,
    record: R,
    newer: u32,
    older: u32,
}

/// A part of the records.
#[derive(Debug)]
pub(super) struct Shard<R> {
    limit_bytes: usize,
    /// Positions in `slots`, found by key.
    index: HashTable<u32>,
    slots: Vec<Slot<R>>,
    /// The ends of the chain in the order of use, and the first vacant place.
    newest: u32,
    oldest: u32,
    vacant: u32,
    events: u64,
    /// What the records take from the allocator.
    record_bytes: usize,
    evicted: u64,
}

impl<R: Record> Shard<R> {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            index: HashTable::new(),
            slots: Vec::new(),
            newest: NOBODY,
            oldest: NOBODY,
            vacant: NOBODY,
            events: 0,
            record_bytes: 0,
            evicted: 0,
        }
    }

    /// The record of this key, left in its place in the order of use.
    pub(super) fn peek(&self, key: &Key) -> Option<&R> {
        let at = self.find(key)?;
        self.slots.get(at as usize).map(|slot| &slot.record)
    }

    /// Changes the record of this key, made if need be; it is the newest then. Evicts what no longer fits.
    pub(super) fn update<T>(&mut self, key: Key, change: impl FnOnce(&mut R) -> T) -> T {
        let at = match self.find(&key) {
            Some(at) => {
                self.unlink(at);
                at
            }
            None => self.admit(key),
        };
        self.link_newest(at);
        let record = &mut self.slots[at as usize].record;
        let (bytes, events) = (record.bytes(), record.events());
        let outcome = change(record);
        self.record_bytes = self.record_bytes + record.bytes() - bytes;
        self.events = self.events + record.events() - events;
        while self.bytes() > self.limit_bytes && self.oldest != NOBODY {
            self.evict(self.oldest);
        }
        outcome
    }

    /// How many records are held.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// How many events they hold.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// How many records were evicted.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Everything this shard has taken from the allocator, unused capacity included.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.slots.capacity() * size_of::<Slot<R>>()
            + self.index.allocation_size()
            + self.record_bytes
    }

    fn find(&self, key: &Key) -> Option<u32> {
        self.index.find(table_hash(key), |&at| self.slots[at as usize].key == *key).copied()
    }

    /// Finds a place for a new record, not yet in the order of use.
    fn admit(&mut self, key: Key) -> u32 {
        let slot = Slot { key, record: R::default(), newer: NOBODY, older: NOBODY };
        let at = if self.vacant == NOBODY {
            // Doubling would at once take from the bound what many records need.
            if self.slots.len() == self.slots.capacity() {
                self.slots.reserve_exact((self.slots.len() / 8).max(16));
            }
            self.slots.push(slot);
            u32::try_from(self.slots.len() - 1).expect("2^32 records take more memory than a machine has")
        } else {
            let at = self.vacant;
            self.vacant = self.slots[at as usize].older;
            self.slots[at as usize] = slot;
            at
        };
        self.index.insert_unique(table_hash(&key), at, |&at| table_hash(&self.slots[at as usize].key));
        at
    }

    fn evict(&mut self, at: u32) {
        self.unlink(at);
        let slot = &mut self.slots[at as usize];
        let record = std::mem::take(&mut slot.record);
        slot.older = self.vacant;
        self.vacant = at;
        if let Ok(entry) = self.index.find_entry(table_hash(&slot.key), |&found| found == at) {
            entry.remove();
        }
        self.events -= record.events();
        self.record_bytes -= record.bytes();
        self.evicted += 1;
    }

    fn unlink(&mut self, at: u32) {
        let Slot { newer, older, .. } = self.slots[at as usize];
        match newer {
            NOBODY => self.newest = older,
            newer => self.slots[newer as usize].older = older,
        }
        match older {
            NOBODY => self.oldest = newer,
            older => self.slots[older as usize].newer = newer,
        }
    }

    fn link_newest(&mut self, at: u32) {
        let older = std::mem::replace(&mut self.newest, at);
        match older {
            NOBODY => self.oldest = at,
            older => self.slots[older as usize].newer = at,
        }
        let slot = &mut self.slots[at as usize];
        (slot.newer, slot.older) = (NOBODY, older);
    }
}

/// Any eight bytes of a key will do.
fn table_hash(key: &Key) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *key;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// What a block of this size takes from the allocator.
fn block_bytes(size: usize) -> usize {
    match size {
        0 => 0,
        size => (size + BLOCK_HEADER).next_multiple_of(BLOCK_ROUNDING),
    }
}
