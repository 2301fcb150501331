//! One remembered transaction, packed into 26 bytes: what a user's history is made of, in every store.
//!
//! Only what features need is kept; ids, merchants and categories are hashes. The hashes are fixed functions of the
//! text alone, so training, every task and a shared store agree on them. The packed bytes are the layout of stores
//! outside this process: a change of it is a new layout version there.

use crate::domain::{Place, Timestamp, Transaction, TransactionId};
use crate::history::Entry;
use crate::history::entry::{ID_BITS, VALUE_BITS as AMOUNT_BITS, ones};

const MERCHANT_BITS: u32 = 28;
const CATEGORY_BITS: u32 = 16;
const COORDINATE_BITS: u32 = 22;

/// The front of the layout, most significant first: timestamp, id, amount.
const FRONT_BYTES: usize = Entry::BYTES;
/// The back: merchant, category, latitude, longitude.
const BACK_BYTES: usize = (MERCHANT_BITS + CATEGORY_BITS + 2 * COORDINATE_BITS) as usize / 8;

/// The latitude that says "no place". All other codes divide a coordinate's range evenly.
const NO_PLACE: u32 = ones(COORDINATE_BITS) as u32;
const LAST_COORDINATE: u32 = NO_PLACE - 1;
/// The category hash that says "no category".
const NO_CATEGORY: u16 = 0;

/// A transaction as history keeps it: 26 bytes, ordered by timestamp, then by id.
///
/// The order of the bytes is the order of the events, so a sorted list of events is sorted by time, and events of one
/// instant have one order whatever the order of their arrival. Texts are told apart by short hashes. Between two
/// transactions of one user the chance of a wrong match is 2^-24 for ids (with 70 kept events, one transaction in
/// 240,000 misses one event), 2^-28 for merchants and 2^-16 for categories. Places are kept to within 2.4 m north and
/// 4.8 m east.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Event([u8; Event::BYTES]);

impl Event {
    /// The packed size.
    pub const BYTES: usize = FRONT_BYTES + BACK_BYTES;

    /// Packs what history keeps of a transaction.
    #[must_use]
    pub fn of(transaction: &Transaction) -> Self {
        let front = Entry::new(transaction.timestamp, hash_of(&transaction.id), transaction.amount.units());

        let merchant = u128::from(stable_hash(&transaction.merchant) >> (64 - MERCHANT_BITS));
        let category = u128::from(transaction.merchant_category.as_deref().map_or(NO_CATEGORY, category_hash));
        let (latitude, longitude) = transaction
            .place()
            .map_or((NO_PLACE, 0), |place| (code(place.latitude(), 90.0), code(place.longitude(), 180.0)));
        let place = (u128::from(latitude) << COORDINATE_BITS) | u128::from(longitude);
        let back = (merchant << (CATEGORY_BITS + 2 * COORDINATE_BITS)) | (category << (2 * COORDINATE_BITS)) | place;

        let mut bytes = [0; Self::BYTES];
        bytes[..FRONT_BYTES].copy_from_slice(front.as_bytes());
        bytes[FRONT_BYTES..].copy_from_slice(&back.to_be_bytes()[16 - BACK_BYTES..]);
        Self(bytes)
    }

    /// When it happened, in milliseconds since 1970.
    #[must_use]
    pub fn millis(&self) -> i64 {
        (self.front() >> (ID_BITS + AMOUNT_BITS)) as i64
    }

    /// When it happened.
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        Timestamp::from_millis(self.millis())
    }

    /// The hash of the transaction's id, 24 bits.
    #[must_use]
    pub fn id(&self) -> u32 {
        ((self.front() >> AMOUNT_BITS) & ones(ID_BITS)) as u32
    }

    /// The amount in ten-thousandths.
    #[must_use]
    pub fn amount_units(&self) -> i64 {
        (self.front() & ones(AMOUNT_BITS)) as i64
    }

    /// The hash of the merchant's name, 28 bits.
    #[must_use]
    pub fn merchant(&self) -> u32 {
        ((self.back() >> (CATEGORY_BITS + 2 * COORDINATE_BITS)) & ones(MERCHANT_BITS)) as u32
    }

    /// The hash of the merchant's category, where the transaction had one.
    #[must_use]
    pub fn category(&self) -> Option<u16> {
        Some((self.back() >> (2 * COORDINATE_BITS)) as u16).filter(|&hash| hash != NO_CATEGORY)
    }

    /// Where it took place, where that is known: the middle of a cell 4.8 m high and at most 9.5 m wide.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let latitude = ((self.back() >> COORDINATE_BITS) & ones(COORDINATE_BITS)) as u32;
        let longitude = (self.back() & ones(COORDINATE_BITS)) as u32;
        if latitude == NO_PLACE { None } else { Place::new(degrees(latitude, 90.0), degrees(longitude, 180.0)) }
    }

    /// Timestamp, id and amount: what is kept of it under its merchant.
    #[must_use]
    pub fn entry(&self) -> Entry {
        Entry::from_bits(self.front())
    }

    /// Timestamp, id and amount, right-aligned.
    fn front(&self) -> u128 {
        self.sixteen_bytes_from(0) >> (128 - 8 * FRONT_BYTES)
    }

    /// Merchant, category and place, right-aligned under the end of the front.
    fn back(&self) -> u128 {
        self.sixteen_bytes_from(Self::BYTES - 16)
    }

    /// The two halves of an event overlap in this reading: two wide loads are all that unpacking costs.
    fn sixteen_bytes_from(&self, first: usize) -> u128 {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.0[first..first + 16]);
        u128::from_be_bytes(bytes)
    }
}

/// The hash under which histories know a transaction, 24 bits.
#[must_use]
pub fn hash_of(id: &TransactionId) -> u32 {
    (stable_hash(id.as_str()) >> (64 - ID_BITS)) as u32
}

/// A coordinate of `-limit..=limit` degrees as the nearest of `0..=LAST_COORDINATE`.
fn code(degrees: f64, limit: f64) -> u32 {
    ((degrees + limit) / (2.0 * limit) * f64::from(LAST_COORDINATE)).round() as u32
}

fn degrees(code: u32, limit: f64) -> f64 {
    f64::from(code) / f64::from(LAST_COORDINATE) * (2.0 * limit) - limit
}

fn category_hash(category: &str) -> u16 {
    ((stable_hash(category) >> (64 - CATEGORY_BITS)) as u16).max(NO_CATEGORY + 1)
}

/// FNV-1a over the bytes, then the finaliser of `MurmurHash3`, which spreads every input bit over the upper bits that
/// are kept. The same in every build and process, unlike the standard library's hashers.
fn stable_hash(text: &str) -> u64 {
    let fnv = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::testing::transaction;

    proptest! {
        /// What was packed comes out again: numbers exactly, places within their cell.
        #[test]
        fn packing_round_trips(transaction in transaction()) {
            let event = Event::of(&transaction);
            prop_assert_eq!(event.timestamp(), Some(transaction.timestamp));
            prop_assert_eq!(event.amount_units(), transaction.amount.units());
            prop_assert_eq!(u64::from(event.id()), stable_hash(transaction.id.as_str()) >> 40);
            prop_assert_eq!(u64::from(event.merchant()), stable_hash(&transaction.merchant) >> 36);
            prop_assert_eq!(event.category(), transaction.merchant_category.as_deref().map(category_hash));
            match (transaction.place(), event.place()) {
                (None, None) => {}
                (Some(sent), Some(kept)) => {
                    prop_assert!((sent.latitude() - kept.latitude()).abs() <= 90.0 / f64::from(LAST_COORDINATE) + 1e-9);
                    prop_assert!((sent.longitude() - kept.longitude()).abs() <= 180.0 / f64::from(LAST_COORDINATE) + 1e-9);
                }
                differing => prop_assert!(false, "{differing:?}"),
            }
        }

        /// A place that was kept once does not wander when it is kept again.
        #[test]
        fn a_kept_place_is_a_fixed_point(latitude in 0..=LAST_COORDINATE, longitude in 0..=LAST_COORDINATE) {
            prop_assert_eq!(code(degrees(latitude, 90.0), 90.0), latitude);
            prop_assert_eq!(code(degrees(longitude, 180.0), 180.0), longitude);
        }

        /// Lists of events are sorted by their bytes and searched by their timestamps.
        #[test]
        fn the_order_of_bytes_is_the_order_of_time(one in transaction(), other in transaction()) {
            let (a, b) = (Event::of(&one), Event::of(&other));
            if a <= b {
                prop_assert!(a.millis() <= b.millis());
            }
            let key = |event: &Event| (event.millis(), event.id(), event.amount_units());
            prop_assert!(key(&a) == key(&b) || (a < b) == (key(&a) < key(&b)));
        }
    }

    #[test]
    fn the_extremes_fit_their_bits() {
        assert_eq!(Event::BYTES, 26);
        for (latitude, longitude) in [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0)] {
            let (kept_latitude, kept_longitude) = (code(latitude, 90.0), code(longitude, 180.0));
            assert!(kept_latitude < NO_PLACE && kept_longitude < NO_PLACE);
            assert!((degrees(kept_latitude, 90.0) - latitude).abs() < 1e-4);
            assert!((degrees(kept_longitude, 180.0) - longitude).abs() < 1e-4);
        }
    }

    /// Kept histories and trained models depend on these values: a change of them is a new layout.
    #[test]
    fn hashes_never_change() {
        for (text, hash) in [
            ("", 0xefd0_1f60_ba99_2926),
            ("grocery", 0x8dc2_d0e0_6339_ac9c),
            ("Bäckerei Müller", 0x84de_7a4d_9d59_d9ef),
            ("tx-1001", 0x40d9_b059_3218_232e),
        ] {
            assert_eq!(stable_hash(text), hash, "{text}");
        }
    }
}
