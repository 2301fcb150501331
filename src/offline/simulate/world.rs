//! Where the simulated money goes: cities and the merchants in them.
//!
//! Nothing here knows of card holders, and of fraud only which merchants leak cards, and when.

use crate::domain::Place;
use crate::offline::simulate::category::Category;
use crate::offline::simulate::draw::{Draw, mixed};

/// A city: people live in it, travel to it, and pay merchants there.
#[derive(Debug, Clone, Copy)]
pub struct City {
    /// The name as it stands in a location, with the country: `Lyon, FR`.
    pub name: &'static str,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// How many of the bank's card holders live here, as a weight; 0 for places that are only travelled to.
    pub residents: f64,
}

const fn city(name: &'static str, latitude: f64, longitude: f64, residents: f64) -> City {
    City { name, latitude, longitude, residents }
}

/// Every city, the bank's own market first.
pub const CITIES: [City; 40] = [
    city("Berlin, DE", 52.520, 13.405, 9.0),
    city("Hamburg, DE", 53.551, 9.994, 6.0),
    city("Munich, DE", 48.137, 11.575, 6.0),
    city("Cologne, DE", 50.938, 6.960, 5.0),
    city("Frankfurt, DE", 50.110, 8.682, 4.0),
    city("Stuttgart, DE", 48.776, 9.183, 4.0),
    city("Leipzig, DE", 51.340, 12.375, 3.0),
    city("Vienna, AT", 48.208, 16.373, 5.0),
    city("Graz, AT", 47.071, 15.438, 2.0),
    city("Amsterdam, NL", 52.370, 4.895, 4.0),
    city("Brussels, BE", 50.850, 4.352, 3.0),
    city("Paris, FR", 48.857, 2.352, 8.0),
    city("Lyon, FR", 45.764, 4.836, 4.0),
    city("Marseille, FR", 43.296, 5.370, 3.0),
    city("Madrid, ES", 40.417, -3.704, 5.0),
    city("Barcelona, ES", 41.385, 2.173, 4.0),
    city("Lisbon, PT", 38.722, -9.139, 3.0),
    city("Rome, IT", 41.903, 12.496, 4.0),
    city("Milan, IT", 45.464, 9.190, 5.0),
    city("Dublin, IE", 53.350, -6.260, 2.0),
    city("Helsinki, FI", 60.170, 24.938, 2.0),
    city("Athens, GR", 37.984, 23.728, 2.0),
    city("London, GB", 51.507, -0.128, 0.0),
    city("Zurich, CH", 47.377, 8.541, 0.0),
    city("Prague, CZ", 50.076, 14.437, 0.0),
    city("Warsaw, PL", 52.230, 21.012, 0.0),
    city("Copenhagen, DK", 55.676, 12.568, 0.0),
    city("Stockholm, SE", 59.329, 18.069, 0.0),
    city("Istanbul, TR", 41.008, 28.978, 0.0),
    city("Palma, ES", 39.570, 2.650, 0.0),
    city("Heraklion, GR", 35.339, 25.144, 0.0),
    city("Marrakesh, MA", 31.630, -7.981, 0.0),
    city("Dubai, AE", 25.205, 55.271, 0.0),
    city("New York, US", 40.713, -74.006, 0.0),
    city("Miami, US", 25.762, -80.192, 0.0),
    city("Toronto, CA", 43.653, -79.383, 0.0),
    city("Sao Paulo, BR", -23.551, -46.633, 0.0),
    city("Bangkok, TH", 13.756, 100.502, 0.0),
    city("Singapore, SG", 1.352, 103.820, 0.0),
    city("Tokyo, JP", 35.677, 139.650, 0.0),
];

/// Whether two cities are some 500 km apart or more. By squared degrees, so that the answer never depends on a
/// platform's sine; in the bank's market a degree of longitude is about two thirds of a degree of latitude.
#[must_use]
pub fn far_apart(one: usize, other: usize) -> bool {
    let north = CITIES[one].latitude - CITIES[other].latitude;
    let east = (CITIES[one].longitude - CITIES[other].longitude) * (2.0 / 3.0);
    north * north + east * east > 20.0
}

/// How a card is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// At a terminal.
    Pos,
    /// At a cash machine.
    Atm,
    /// Over the internet or an app, the card not present.
    Online,
}

impl Channel {
    /// The word sent as `channel`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pos => "pos",
            Self::Atm => "atm",
            Self::Online => "online",
        }
    }
}

/// A merchant: a shop, a cash machine or a web shop.
#[derive(Debug, Clone)]
pub struct Merchant {
    /// The name sent as `merchant`.
    pub name: Box<str>,
    /// What it sells.
    pub category: Category,
    /// Whether the category is sent: some terminals do not.
    pub sends_category: bool,
    /// How it is paid.
    pub channel: Channel,
    /// Where it says it is: an index into [`CITIES`].
    pub city: usize,
    /// The point it sends: none online and from some terminals; a few send their head office's.
    pub place: Option<Place>,
}

/// All merchants, and who is where.
#[derive(Debug)]
pub struct World {
    seed: u64,
    merchants: Vec<Merchant>,
    /// Shops by category and city.
    shops: Vec<Vec<u32>>,
    /// Web shops by category.
    web_shops: Vec<Vec<u32>>,
}

/// The stream of the seed that makes merchants; card holders use the streams from 1 on.
const MERCHANT_STREAM: u64 = 0;

/// How long a merchant that leaks cards does so, in days.
const BREACH_DAYS: i64 = 20;

/// The share of merchants that leak cards at any time.
const BREACHED_SHARE: f64 = 0.01;

/// How many merchants cash out the cards that one breach gave away.
const CASH_OUT_MERCHANTS: u64 = 4;

impl World {
    /// The least number of merchants: one shop of each kind in each city, and one web shop of each kind.
    #[must_use]
    pub fn fewest_merchants() -> usize {
        let shops = Category::ALL.iter().filter(|category| category.has_shops()).count();
        let web_shops = Category::ALL.iter().filter(|category| category.is_online()).count();
        shops * CITIES.len() + web_shops
    }

    /// A world of `count` merchants, at least [`World::fewest_merchants`].
    #[must_use]
    pub fn new(seed: u64, count: usize) -> Self {
        let mut world = Self {
            seed,
            merchants: Vec::with_capacity(count),
            shops: vec![Vec::new(); Category::ALL.len() * CITIES.len()],
            web_shops: vec![Vec::new(); Category::ALL.len()],
        };
        let mut draw = Draw::new(seed, MERCHANT_STREAM);
        for category in Category::ALL {
            if category.has_shops() {
                (0..CITIES.len()).for_each(|city| world.open_shop(category, city, &mut draw));
            }
            if category.is_online() {
                world.open_web_shop(category, &mut draw);
            }
        }
        while world.merchants.len() < count {
            let category = Category::ALL[draw.weighted(Category::ALL.iter().map(|category| category.traits().weight))];
            if draw.chance(category.traits().online) {
                world.open_web_shop(category, &mut draw);
            } else {
                let city = draw.weighted(CITIES.iter().map(|city| city.residents + 0.5));
                world.open_shop(category, city, &mut draw);
            }
        }
        world
    }

    fn open_shop(&mut self, category: Category, city: usize, draw: &mut Draw) {
        let site = if draw.chance(0.001) { draw.below(CITIES.len()) } else { city };
        let latitude = CITIES[site].latitude + 0.03 * draw.normal().clamp(-3.0, 3.0);
        let longitude = CITIES[site].longitude + 0.045 * draw.normal().clamp(-3.0, 3.0);
        let rounded = |degrees: f64| (degrees * 10_000.0).round() / 10_000.0;
        let place = if draw.chance(0.03) { None } else { Place::new(rounded(latitude), rounded(longitude)) };
        let channel = if category == Category::Cash { Channel::Atm } else { Channel::Pos };
        self.shops[category.index() * CITIES.len() + city].push(self.merchants.len() as u32);
        self.open(Merchant { name: "".into(), category, sends_category: true, channel, city, place }, draw);
    }

    fn open_web_shop(&mut self, category: Category, draw: &mut Draw) {
        let city = draw.weighted(CITIES.iter().map(|city| city.residents + 1.0));
        self.web_shops[category.index()].push(self.merchants.len() as u32);
        let channel = Channel::Online;
        self.open(Merchant { name: "".into(), category, sends_category: true, channel, city, place: None }, draw);
    }

    /// Gives the merchant what every merchant has: a name of its own, and a terminal that may keep its category quiet.
    fn open(&mut self, merchant: Merchant, draw: &mut Draw) {
        const STARTS: [&str; 12] = ["Al", "Bel", "Cor", "Dan", "El", "Fal", "Gar", "Hol", "Mar", "Nor", "Ros", "Tal"];
        const ENDS: [&str; 10] = ["ano", "berg", "dini", "en", "hof", "ier", "mann", "ona", "sen", "ville"];
        let number = self.merchants.len() + 1;
        let (start, end) = (STARTS[draw.below(STARTS.len())], ENDS[draw.below(ENDS.len())]);
        let kind = merchant.category.traits().name.replace('_', " ");
        let name = match merchant.channel {
            Channel::Pos => format!("{start}{end} {kind} {number}"),
            Channel::Atm => format!("ATM {start}{end} {number}"),
            Channel::Online => format!("{start}{end}{number}.example"),
        };
        let sends_category = !draw.chance(0.02);
        self.merchants.push(Merchant { name: name.into(), sends_category, ..merchant });
    }

    /// One merchant.
    #[must_use]
    pub fn merchant(&self, merchant: u32) -> &Merchant {
        &self.merchants[merchant as usize]
    }

    /// A shop of this category in this city, where the category has shops, well-known ones more often.
    #[must_use]
    pub fn shop(&self, category: Category, city: usize, draw: &mut Draw) -> u32 {
        let shops = &self.shops[category.index() * CITIES.len() + city];
        shops[draw.favouring_first(shops.len())]
    }

    /// A web shop of this category, where the category is online, well-known ones more often.
    #[must_use]
    pub fn web_shop(&self, category: Category, draw: &mut Draw) -> u32 {
        let shops = &self.web_shops[category.index()];
        shops[draw.favouring_first(shops.len())]
    }

    /// A web shop of this category, where the category is online, each as likely as any other.
    #[must_use]
    pub fn any_web_shop(&self, category: Category, draw: &mut Draw) -> u32 {
        let shops = &self.web_shops[category.index()];
        shops[draw.below(shops.len())]
    }

    /// The breach by which this merchant leaks cards on this day, if it does.
    #[must_use]
    pub fn breach(&self, merchant: u32, day: i64) -> Option<Breach> {
        // Days before 1970 do not occur: `--start` is a transaction's timestamp.
        let period = day.div_euclid(BREACH_DAYS).unsigned_abs();
        let word = mixed(&[self.seed, u64::from(merchant), period]);
        let share = (word >> 11) as f64 / (1_u64 << 53) as f64;
        (share < BREACHED_SHARE).then_some(Breach(word))
    }

    /// One of the few web shops of this category through which the cards of a breach, or one gang's, are emptied.
    #[must_use]
    pub fn cash_out_shop(&self, breach: Breach, category: Category, draw: &mut Draw) -> u32 {
        let shops = &self.web_shops[category.index()];
        let which = draw.below(CASH_OUT_MERCHANTS as usize) as u64;
        shops[(mixed(&[breach.0, category.index() as u64, which]) % shops.len() as u64) as usize]
    }
}

/// A theft of cards at one merchant, by a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_city_and_every_category_can_be_paid_in() {
        let world = World::new(1, World::fewest_merchants());
        assert_eq!(world.merchants.len(), World::fewest_merchants());
        let mut draw = Draw::new(1, 1);
        for category in Category::ALL {
            for city in (0..CITIES.len()).filter(|_| category.has_shops()) {
                let shop = world.merchant(world.shop(category, city, &mut draw));
                assert_eq!((shop.category, shop.city), (category, city));
                assert_ne!(shop.channel, Channel::Online);
            }
            if category.is_online() {
                let shop = world.merchant(world.web_shop(category, &mut draw));
                assert_eq!((shop.category, shop.channel, shop.place), (category, Channel::Online, None));
            }
        }
    }

    #[test]
    fn a_breach_lasts_and_few_merchants_have_one() {
        let world = World::new(1, 2000);
        let breached = |day| (0..2000).filter(|merchant| world.breach(*merchant, day).is_some()).count();
        assert!((10..40).contains(&breached(20_000)), "{}", breached(20_000));
        let merchant = (0..2000).find(|merchant| world.breach(*merchant, 20_000).is_some()).unwrap();
        assert_eq!(world.breach(merchant, 20_000), world.breach(merchant, 20_000 + BREACH_DAYS - 1));
    }

    #[test]
    fn distance_by_degrees_agrees_with_the_great_circle() {
        let place = |index: usize| Place::new(CITIES[index].latitude, CITIES[index].longitude).unwrap();
        let every = 0..CITIES.len();
        assert!(every.clone().all(|one| every.clone().any(|other| far_apart(one, other))));
        for (one, other) in every.clone().flat_map(|one| every.clone().map(move |other| (one, other))) {
            let km = place(one).distance_km(place(other));
            let agrees = if far_apart(one, other) { km > 350.0 } else { km < 650.0 };
            assert!(agrees, "{} and {}: {km} km", CITIES[one].name, CITIES[other].name);
        }
    }
}
