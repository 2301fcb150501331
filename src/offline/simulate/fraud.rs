//! What criminals do with a card: one plan for each kind of fraud.
//!
//! A plan adds payments to a card whose holder goes on living; nothing here is honest. Each kind varies enough to
//! overlap with what honest people do: scripts that wait, thieves who buy bread, accounts emptied in small sums.

use crate::offline::simulate::category::Category;
use crate::offline::simulate::draw::Draw;
use crate::offline::simulate::event::{DAY_MS, Event, FraudKind, HOUR_MS, MINUTE_MS, SECOND_MS, charged};
use crate::offline::simulate::holder::Holder;
use crate::offline::simulate::world::{Breach, CITIES, World, far_apart};

/// How likely each kind is to befall an open card on a day. Leaks at merchants come on top, from the visits there.
/// High beside real life, where a card is lucky for decades: so many cards would make a long file.
const RATES: [(FraudKind, f64); 5] = [
    (FraudKind::CardTesting, 0.000_24),
    (FraudKind::StolenCard, 0.000_32),
    (FraudKind::AccountTakeover, 0.000_42),
    (FraudKind::ImpossibleTravel, 0.000_40),
    (FraudKind::SlowDrain, 0.000_12),
];

/// Adds the payments of the frauds that begin on this day, in no order; some lie on later days. The holder's honest
/// payments of the day come first.
pub fn strike(world: &World, holder: &mut Holder, day: i64, events: &mut Vec<Event>) {
    if !holder.is_open(day) {
        return;
    }
    let leak = holder.leaked.filter(|(strikes_on, _)| *strikes_on <= day).map(|(_, breach)| breach);
    let begun = RATES.iter().find(|(_, rate)| holder.draw.chance(*rate)).map(|(kind, _)| *kind);
    let Some(kind) = leak.map(|_| FraudKind::CompromisedMerchant).or(begun) else { return };
    let mut plan = Plan { world, holder, events, kind, at_ms: day * DAY_MS };
    match (kind, leak) {
        (_, Some(breach)) => plan.compromised_merchant(breach),
        (FraudKind::CardTesting, _) => plan.card_testing(),
        (FraudKind::StolenCard, _) => plan.stolen_card(),
        (FraudKind::ImpossibleTravel, _) => plan.impossible_travel(),
        (FraudKind::SlowDrain, _) => plan.slow_drain(),
        (FraudKind::AccountTakeover | FraudKind::CompromisedMerchant, None) => plan.account_takeover(),
    }
    let ended_on = plan.at_ms.div_euclid(DAY_MS);
    holder.block(ended_on + 1);
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

    /// Moves from the day's beginning to any hour of it.
    fn begin_at_any_hour(&mut self) {
        let hour = self.draw().between(0.0, 24.0);
        self.wait(hour * HOUR_MS);
    }

    fn pay(&mut self, merchant: u32, euros: f64) {
        let category = self.world.merchant(merchant).category;
        let cents = charged(euros, category, &mut self.holder.draw);
        self.events.push(Event { at_ms: self.at_ms, merchant, cents, fraud: Some(self.kind) });
    }

    fn pay_online(&mut self, category: Category, euros: f64) {
        let merchant = self.world.web_shop(category, &mut self.holder.draw);
        self.pay(merchant, euros);
    }

    fn pay_in_shop(&mut self, category: Category, city: usize, euros: f64) {
        let merchant = self.world.shop(category, city, &mut self.holder.draw);
        self.pay(merchant, euros);
    }

    /// Tiny payments by a script, fast or patient; what works is sold or used.
    fn card_testing(&mut self) {
        self.begin_at_any_hour();
        let category = self.one_of(&[Category::DigitalGoods, Category::Charity, Category::Marketplace]);
        let pause = if self.draw().chance(0.6) { 25.0 * SECOND_MS } else { 20.0 * MINUTE_MS };
        for _ in 0..self.draw().whole(3, 10) {
            let euros = self.draw().log_normal(1.7, 0.6);
            self.pay_online(category, euros);
            let pause = 2.0 * SECOND_MS + self.draw().exponential(pause);
            self.wait(pause);
        }
        if self.draw().chance(0.5) {
            let pause = self.draw().log_normal(2.0, 1.2).min(30.0) * HOUR_MS;
            self.wait(pause);
            let category = self.one_of(&[Category::Electronics, Category::Marketplace, Category::Clothing]);
            let euros = self.draw().log_normal(180.0, 0.7);
            self.pay_online(category, euros);
        }
    }

    /// Begins near the last place the holder paid at; first what needs no PIN, then what can be sold.
    fn stolen_card(&mut self) {
        const FIRST: [Category; 4] = [Category::Grocery, Category::Fuel, Category::FastFood, Category::Transport];
        const THEN: [Category; 6] = [
            Category::Electronics,
            Category::Clothing,
            Category::Luxury,
            Category::Cash,
            Category::HealthBeauty,
            Category::Grocery,
        ];
        let (stolen_at, city) = self.taken();
        let delay = self.draw().between(0.1, 5.0) * HOUR_MS;
        self.at_ms = stolen_at + delay as i64;
        let payments = self.draw().whole(2, 9);
        for number in 0..payments {
            let category = if number < 2 { self.one_of(&FIRST) } else { self.one_of(&THEN) };
            let euros = if number < 2 { self.draw().between(4.0, 49.0) } else { self.draw().log_normal(95.0, 0.7) };
            self.pay_in_shop(category, city, euros);
            let pause = 3.0 * MINUTE_MS + self.draw().exponential(20.0 * MINUTE_MS);
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
            let euros = usual * self.draw().log_normal(7.0, 0.5);
            self.pay_online(category, euros);
            let pause = self.draw().log_normal(1.0, 1.5).min(24.0) * HOUR_MS;
            self.wait(pause);
        }
    }

    /// A copy of the card in a far city, minutes or hours after the holder paid at home.
    fn impossible_travel(&mut self) {
        let (seen_at, city) = self.taken();
        let delay = self.draw().between(0.1, 6.0) * HOUR_MS;
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
            let euros = self.draw().log_normal(75.0, 0.8);
            self.pay_in_shop(category, place, euros);
            let pause = 3.0 * MINUTE_MS + self.draw().exponential(50.0 * MINUTE_MS);
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
            let euros = self.draw().log_normal(95.0, 0.9);
            self.pay(merchant, euros);
            let pause = self.draw().log_normal(1.5, 1.5).min(40.0) * HOUR_MS;
            self.wait(pause);
        }
    }

    /// Somebody patient: the holder's own hours, sums just below the usual ones, for weeks.
    fn slow_drain(&mut self) {
        const QUIET: [Category; 3] = [Category::Marketplace, Category::DigitalGoods, Category::MoneyTransfer];
        let gang = Breach(self.draw().below(64) as u64);
        let (first, second) = (self.one_of(&QUIET), self.one_of(&QUIET));
        let mut day_ms = self.at_ms;
        for _ in 0..self.draw().whole(5, 16) {
            let hour = self.draw().between(9.0, 23.0) as i64 + self.holder.lateness();
            let minutes = self.draw().between(0.0, 60.0);
            self.at_ms = day_ms + (hour.clamp(0, 23) as f64 * HOUR_MS + minutes * MINUTE_MS) as i64;
            let category = if self.draw().chance(0.7) { first } else { second };
            let merchant = self.world.cash_out_shop(gang, category, &mut self.holder.draw);
            let usual = self.holder.usual(category);
            let euros = usual * self.draw().between(0.7, 1.3);
            self.pay(merchant, euros);
            day_ms += self.draw().whole(0, 3) as i64 * DAY_MS;
        }
    }

    /// When and where the card was last seen today; noon in the holder's city when it was not.
    fn taken(&self) -> (i64, usize) {
        self.holder
            .last_shop
            .filter(|(at_ms, _)| *at_ms >= self.at_ms)
            .unwrap_or((self.at_ms + 12 * HOUR_MS as i64, self.holder.city()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The payments of many plans of one kind, plan by plan.
    fn plans(kind: FraudKind) -> (World, Vec<Vec<Event>>) {
        let world = World::new(9, 2000);
        let plans = (0..200)
            .map(|card| {
                let mut holder = Holder::new(&world, 9, card, 20_000);
                let mut events = Vec::new();
                let mut plan =
                    Plan { world: &world, holder: &mut holder, events: &mut events, kind, at_ms: 20_000 * DAY_MS };
                match kind {
                    FraudKind::CardTesting => plan.card_testing(),
                    FraudKind::StolenCard => plan.stolen_card(),
                    FraudKind::AccountTakeover => plan.account_takeover(),
                    FraudKind::ImpossibleTravel => plan.impossible_travel(),
                    FraudKind::CompromisedMerchant => plan.compromised_merchant(Breach(1)),
                    FraudKind::SlowDrain => plan.slow_drain(),
                }
                events
            })
            .collect();
        (world, plans)
    }

    #[test]
    fn every_kind_is_paid_in_order_from_its_day_on() {
        for kind in FraudKind::ALL {
            for plan in plans(kind).1 {
                assert!(!plan.is_empty());
                assert!(plan.iter().all(|event| event.at_ms >= 20_000 * DAY_MS && event.fraud == Some(kind)));
            }
        }
    }

    #[test]
    fn each_kind_looks_like_itself() {
        let median = |kind| {
            let mut cents: Vec<i64> = plans(kind).1.into_iter().flatten().map(|event| event.cents).collect();
            cents.sort_unstable();
            cents[cents.len() / 2]
        };
        assert!(median(FraudKind::CardTesting) < 300);
        assert!(median(FraudKind::SlowDrain) < 6_000);
        assert!(median(FraudKind::AccountTakeover) > 30_000);
        let days = |plan: &Vec<Event>| (plan.iter().map(|event| event.at_ms).max().unwrap() / DAY_MS) - 20_000;
        assert!(plans(FraudKind::SlowDrain).1.iter().filter(|plan| days(plan) > 5).count() > 120);
        let (world, far) = plans(FraudKind::ImpossibleTravel);
        for (card, plan) in far.iter().enumerate() {
            let home = Holder::new(&world, 9, card, 20_000).city();
            assert!(plan.iter().all(|event| far_apart(world.merchant(event.merchant).city, home)));
        }
        let (_, leaked) = plans(FraudKind::CompromisedMerchant);
        let mut shops: Vec<u32> = leaked.into_iter().flatten().map(|event| event.merchant).collect();
        shops.sort_unstable();
        shops.dedup();
        assert!(shops.len() <= 20, "one leak is emptied through {} shops", shops.len());
    }
}
