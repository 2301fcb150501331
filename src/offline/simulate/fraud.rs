//! What criminals do with a card: one plan for each kind of fraud.
//!
//! A plan adds payments to a card whose holder goes on living; nothing here is honest. Each kind varies enough to
//! overlap with what honest people do: scripts that wait, thieves who buy bread, accounts emptied in small sums.

use crate::offline::simulate::category::Category;
use crate::offline::simulate::draw::Draw;
use crate::offline::simulate::event::{DAY_MS, Event, FraudKind, HOUR_MS, MINUTE_MS, SECOND_MS, charged};
use crate::offline::simulate::holder::Holder;
use crate::offline::simulate::world::{Breach, CITIES, World, far_apart};

/// When and where (an index into [`CITIES`]) the card was last held to a terminal.
type Seen = (i64, usize);

/// A fraud and what it needs to begin.
#[derive(Debug, Clone, Copy)]
enum Scheme {
    CardTesting,
    StolenCard(Seen),
    AccountTakeover,
    ImpossibleTravel(Seen),
    CompromisedMerchant(Breach),
    SlowDrain,
}

/// Makes a scheme of what was last seen of the card that day, if it can.
type Begin = fn(Option<Seen>) -> Option<Scheme>;

/// How likely each scheme is to befall an open card on a day; some need the card to have been used in a shop that day.
/// Leaks at merchants come on top, from the visits there. Far more often than in life, where a card is lucky for
/// decades: a file with enough frauds to learn from would be too long.
const RATES: [(f64, Begin); 5] = [
    (0.000_24, |_| Some(Scheme::CardTesting)),
    (0.000_50, |seen| seen.map(Scheme::StolenCard)),
    (0.000_42, |_| Some(Scheme::AccountTakeover)),
    (0.000_55, |seen| seen.map(Scheme::ImpossibleTravel)),
    (0.000_10, |_| Some(Scheme::SlowDrain)),
];

/// Adds the payments of a fraud that begins on this day, if one does, in no order; some lie on later days. The
/// holder's honest payments of the day come first.
pub fn strike(world: &World, holder: &mut Holder, day: i64, events: &mut Vec<Event>) {
    if !holder.is_open(day) {
        return;
    }
    let leak = holder.leaked.filter(|(strikes_on, _)| *strikes_on <= day).map(|(_, breach)| breach);
    let seen = holder.last_shop.filter(|(at_ms, _)| *at_ms >= day * DAY_MS);
    let chosen = RATES.iter().find(|(rate, _)| holder.draw.chance(*rate)).and_then(|(_, scheme)| scheme(seen));
    if let Some(scheme) = leak.map(Scheme::CompromisedMerchant).or(chosen) {
        let ended_at = carry_out(scheme, world, holder, day, events);
        holder.block(ended_at.div_euclid(DAY_MS) + 1);
    }
}

/// Adds the scheme's payments and says when it is over.
fn carry_out(scheme: Scheme, world: &World, holder: &mut Holder, day: i64, events: &mut Vec<Event>) -> i64 {
    let kind = match scheme {
        Scheme::CardTesting => FraudKind::CardTesting,
        Scheme::StolenCard(_) => FraudKind::StolenCard,
        Scheme::AccountTakeover => FraudKind::AccountTakeover,
        Scheme::ImpossibleTravel(_) => FraudKind::ImpossibleTravel,
        Scheme::CompromisedMerchant(_) => FraudKind::CompromisedMerchant,
        Scheme::SlowDrain => FraudKind::SlowDrain,
    };
    let mut plan = Plan { world, holder, events, kind, at_ms: day * DAY_MS };
    match scheme {
        Scheme::CardTesting => plan.card_testing(),
        Scheme::StolenCard(seen) => plan.stolen_card(seen),
        Scheme::AccountTakeover => plan.account_takeover(),
        Scheme::ImpossibleTravel(seen) => plan.impossible_travel(seen),
        Scheme::CompromisedMerchant(breach) => plan.compromised_merchant(breach),
        Scheme::SlowDrain => plan.slow_drain(),
    }
    plan.at_ms
}

/// A plan in the making: `at_ms` is when its next payment happens.
#[derive(Debug)]
struct Plan<'a> {
    world: &'a World,
    holder: &'a mut Holder,
    events: &'a mut Vec<Event>,
    kind: FraudKind,
    at_ms: i64,
}

impl Plan<'_> {
    fn draw(&mut self) -> &mut Draw {
        &mut self.holder.draw
    }

    fn one_of(&mut self, categories: &[Category]) -> Category {
        categories[self.draw().below(categories.len())]
    }

    fn wait(&mut self, ms: f64) {
        self.at_ms += ms as i64;
    }

    /// Moves from the day's beginning to an hour that suits a thief who may live in another time zone: more often than
    /// not the holder's night.
    fn begin_at_any_hour(&mut self) {
        let latest = if self.draw().chance(0.5) { 6.0 } else { 24.0 };
        let hour = self.draw().between(0.0, latest);
        self.wait(hour * HOUR_MS);
    }

    fn pay(&mut self, merchant: u32, euros: f64) {
        let category = self.world.merchant(merchant).category;
        let cents = charged(euros, category, &mut self.holder.draw);
        self.events.push(Event { at_ms: self.at_ms, merchant, cents, fraud: Some(self.kind) });
    }

    fn pay_online(&mut self, category: Category, euros: f64) {
        let merchant = self.world.any_web_shop(category, &mut self.holder.draw);
        self.pay(merchant, euros);
    }

    fn pay_in_shop(&mut self, category: Category, city: usize, euros: f64) {
        let merchant = self.world.shop(category, city, &mut self.holder.draw);
        self.pay(merchant, euros);
    }

    /// Tiny payments by a script, fast or patient; what works is sold or used.
    fn card_testing(&mut self) {
        self.begin_at_any_hour();
        const OPEN_TO_SCRIPTS: [Category; 3] = [Category::DigitalGoods, Category::Charity, Category::Marketplace];
        let pause = if self.draw().chance(0.75) { 25.0 * SECOND_MS } else { 20.0 * MINUTE_MS };
        for _ in 0..self.draw().whole(4, 12) {
            let category = self.one_of(&OPEN_TO_SCRIPTS);
            let euros = self.draw().log_normal(1.3, 0.5);
            self.pay_online(category, euros);
            let pause = 2.0 * SECOND_MS + self.draw().exponential(pause);
            self.wait(pause);
        }
        if self.draw().chance(0.5) {
            let pause = self.draw().log_normal(2.0, 1.2).min(30.0) * HOUR_MS;
            self.wait(pause);
            let category = self.one_of(&[Category::Electronics, Category::Marketplace, Category::Clothing]);
            let euros = self.draw().log_normal(280.0, 0.6);
            self.pay_online(category, euros);
        }
    }

    /// Begins near the last place the holder paid at; first what needs no PIN, then what can be sold.
    fn stolen_card(&mut self, (stolen_at, city): Seen) {
        const FIRST: [Category; 4] = [Category::Grocery, Category::Fuel, Category::FastFood, Category::Transport];
        const THEN: [Category; 6] = [
            Category::Electronics,
            Category::Clothing,
            Category::Luxury,
            Category::Cash,
            Category::HealthBeauty,
            Category::Grocery,
        ];

        let delay = self.draw().between(0.1, 5.0) * HOUR_MS;
        self.at_ms = stolen_at + delay as i64;
        let small_ones = self.draw().whole(0, 2);
        for number in 0..small_ones + self.draw().whole(2, 7) {
            let category = self.one_of(if number < small_ones { &FIRST } else { &THEN });
            let small = number < small_ones;
            let euros = if small { self.draw().between(4.0, 49.0) } else { self.draw().log_normal(240.0, 0.6) };
            self.pay_in_shop(category, city, euros);
            let pause = 1.5 * MINUTE_MS + self.draw().exponential(4.0 * MINUTE_MS);
            self.wait(pause);
        }
    }

    /// A login is enough: few payments, each several times what the holder is used to.
    fn account_takeover(&mut self) {
        self.begin_at_any_hour();
        for _ in 0..self.draw().whole(1, 4) {
            let category = self.one_of(&[
                Category::MoneyTransfer,
                Category::MoneyTransfer,
                Category::Electronics,
                Category::Travel,
                Category::Luxury,
                Category::Marketplace,
            ]);
            let usual = self.holder.usual(category);
            let euros = usual * self.draw().log_normal(9.0, 0.5);
            self.pay_online(category, euros);
            let pause = self.draw().log_normal(0.4, 1.3).min(24.0) * HOUR_MS;
            self.wait(pause);
        }
    }

    /// A copy of the card in a far city, minutes or hours after the holder paid at home.
    fn impossible_travel(&mut self, (seen_at, city): Seen) {
        let delay = self.draw().between(0.1, 3.0) * HOUR_MS;
        self.at_ms = seen_at + delay as i64;
        let far: Vec<usize> = (0..CITIES.len()).filter(|other| far_apart(city, *other)).collect();
        let place = far[self.draw().below(far.len())];
        for _ in 0..self.draw().whole(2, 6) {
            let category = self.one_of(&[
                Category::Cash,
                Category::Electronics,
                Category::Clothing,
                Category::Fuel,
                Category::Restaurant,
                Category::Grocery,
            ]);
            let euros = self.draw().log_normal(230.0, 0.7);
            self.pay_in_shop(category, place, euros);
            let pause = 3.0 * MINUTE_MS + self.draw().exponential(8.0 * MINUTE_MS);
            self.wait(pause);
        }
    }

    /// The cards of one leak are used online, through the same few web shops.
    fn compromised_merchant(&mut self, breach: Breach) {
        self.begin_at_any_hour();
        for _ in 0..self.draw().whole(1, 5) {
            let category = self.one_of(&[
                Category::Marketplace,
                Category::Electronics,
                Category::Clothing,
                Category::DigitalGoods,
                Category::Travel,
            ]);
            let merchant = self.world.cash_out_shop(breach, category, &mut self.holder.draw);
            let euros = self.draw().log_normal(170.0, 0.7);
            self.pay(merchant, euros);
            let pause = self.draw().log_normal(0.4, 1.3).min(40.0) * HOUR_MS;
            self.wait(pause);
        }
    }

    /// Somebody patient: the holder's own hours, sums just below the usual ones, for weeks.
    fn slow_drain(&mut self) {
        const QUIET: [Category; 3] = [Category::Marketplace, Category::DigitalGoods, Category::MoneyTransfer];
        let gang = Breach(self.draw().below(64) as u64);
        let (first, second) = (self.one_of(&QUIET), self.one_of(&QUIET));
        let mut day_ms = self.at_ms;
        for _ in 0..self.draw().whole(5, 12) {
            let (from, to) = if self.draw().chance(0.75) { (1.0, 5.0) } else { (9.0, 23.0) };
            let hour = self.draw().between(from, to);
            self.at_ms = day_ms + (hour * HOUR_MS) as i64;
            let category = if self.draw().chance(0.7) { first } else { second };
            let merchant = self.world.cash_out_shop(gang, category, &mut self.holder.draw);
            let usual = self.holder.usual(category);
            let euros = usual * self.draw().between(0.7, 1.3);
            self.pay(merchant, euros);
            day_ms += self.draw().whole(1, 3) as i64 * DAY_MS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: usize = 3;
    const SCHEMES: [Scheme; 6] = [
        Scheme::CardTesting,
        Scheme::StolenCard((20_000 * DAY_MS, HOME)),
        Scheme::AccountTakeover,
        Scheme::ImpossibleTravel((20_000 * DAY_MS, HOME)),
        Scheme::CompromisedMerchant(Breach(1)),
        Scheme::SlowDrain,
    ];

    /// The payments of one scheme on many cards, card by card.
    fn carried_out(world: &World, scheme: Scheme) -> Vec<Vec<Event>> {
        (0..200)
            .map(|card| {
                let mut events = Vec::new();
                carry_out(scheme, world, &mut Holder::new(world, 9, card, 20_000), 20_000, &mut events);
                events
            })
            .collect()
    }

    #[test]
    fn every_scheme_is_paid_in_order_from_its_day_on() {
        let world = World::new(9, 2000);
        let mut kinds = Vec::new();
        for scheme in SCHEMES {
            for events in carried_out(&world, scheme) {
                assert!(events.is_sorted_by_key(|event| event.at_ms), "{scheme:?}");
                assert!(events.first().is_some_and(|event| event.at_ms >= 20_000 * DAY_MS));
                kinds.extend(events.iter().filter_map(|event| event.fraud));
            }
        }
        assert!(FraudKind::ALL.iter().all(|kind| kinds.contains(kind)));
    }

    #[test]
    fn each_scheme_looks_like_itself() {
        let world = World::new(9, 2000);
        let median = |scheme| {
            let mut cents: Vec<i64> = carried_out(&world, scheme).concat().iter().map(|event| event.cents).collect();
            cents.sort_unstable();
            cents[cents.len() / 2]
        };
        let [testing, stolen, takeover, travel, leak, drain] = SCHEMES;
        assert!(median(testing) < 300);
        assert!(median(drain) < 6_000);
        assert!(median(takeover) > 30_000);
        let days = |events: &[Event]| events.last().map_or(0, |event| event.at_ms / DAY_MS - 20_000);
        assert!(carried_out(&world, drain).iter().filter(|events| days(events) > 5).count() > 120);
        let city = |event: &Event| world.merchant(event.merchant).city;
        assert!(carried_out(&world, stolen).concat().iter().all(|event| city(event) == HOME));
        assert!(carried_out(&world, travel).concat().iter().all(|event| far_apart(city(event), HOME)));
        let mut shops: Vec<u32> = carried_out(&world, leak).concat().iter().map(|event| event.merchant).collect();
        shops.sort_unstable();
        shops.dedup();
        assert!(shops.len() <= 20, "one leak is emptied through {} shops", shops.len());
    }
}
