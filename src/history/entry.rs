//! An instant, a transaction and a number in 15 bytes: the beginning of an event, and all that is kept of a label.

use crate::domain::Timestamp;

pub(super) const TIMESTAMP_BITS: u32 = 42;
pub(super) const ID_BITS: u32 = 24;
pub(super) const VALUE_BITS: u32 = 54;

/// Something that happened to a transaction, ordered by timestamp, then by id.
///
/// The order of the bytes is the order of the entries. Ids are told apart by 24 bits of their hash: among the 128
/// entries that a merchant keeps one by one, one transaction in 131,072 is taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry([u8; Entry::BYTES]);

impl Entry {
    /// The packed size.
    pub const BYTES: usize = (TIMESTAMP_BITS + ID_BITS + VALUE_BITS) as usize / 8;

    /// Packs an entry; `id` is the hash of the transaction's id in 24 bits, `value` fits 54.
    #[must_use]
    pub fn new(at: Timestamp, id: u32, value: i64) -> Self {
        let (at, id, value) = (at.millis() as u128, u128::from(id) & ones(ID_BITS), value as u128 & ones(VALUE_BITS));
        Self::from_bits((at << (ID_BITS + VALUE_BITS)) | (id << VALUE_BITS) | value)
    }

    /// From the lowest 120 bits.
    pub(super) fn from_bits(bits: u128) -> Self {
        let mut bytes = [0; Self::BYTES];
        bytes.copy_from_slice(&bits.to_be_bytes()[16 - Self::BYTES..]);
        Self(bytes)
    }

    /// When it happened, in milliseconds since 1970.
    #[must_use]
    pub fn millis(&self) -> i64 {
        (self.bits() >> (ID_BITS + VALUE_BITS)) as i64
    }

    /// The hash of the transaction's id, 24 bits.
    #[must_use]
    pub fn id(&self) -> u32 {
        ((self.bits() >> VALUE_BITS) & ones(ID_BITS)) as u32
    }

    /// The number.
    #[must_use]
    pub fn value(&self) -> u64 {
        (self.bits() & ones(VALUE_BITS)) as u64
    }

    /// The packed bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        bytes[16 - Self::BYTES..].copy_from_slice(&self.0);
        u128::from_be_bytes(bytes)
    }
}

pub(super) const fn ones(bits: u32) -> u128 {
    (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_round_trips_and_keeps_the_order() {
        assert_eq!(Entry::BYTES, 15);
        let extremes =
            [(0, 0, 0), (0, 0, 1 << 53), (0, 0xff_ffff, 0), (1, 0, 7), ((1 << 42) - 1, 0xff_ffff, (1 << 54) - 1)];
        let entries = extremes.map(|(at, id, value)| Entry::new(Timestamp::from_millis(at).unwrap(), id, value));
        assert!(entries.is_sorted());
        for ((at, id, value), entry) in extremes.into_iter().zip(entries) {
            assert_eq!((entry.millis(), entry.id(), entry.value() as i64), (at, id, value));
        }
    }
}
