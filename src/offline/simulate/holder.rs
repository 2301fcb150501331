//! Card holders: lasting habits, and the honest payments of one day.
//!
//! A holder draws from a stream of random numbers of their own, so what one does never changes what another does, and
//! a longer simulation begins with the shorter one. Many honest days are odd on purpose: trips, shopping tours, big
//! purchases, nights out, dozens of tiny payments in a game, a second holder of the card in another city. Each looks
//! like fraud to somebody who knows one number only.

use crate::offline::simulate::category::Category;
use crate::offline::simulate::draw::Draw;
use crate::offline::simulate::event::{DAY_MS, Event, HOUR_MS, MINUTE_MS, charged};
use crate::offline::simulate::world::{Breach, CITIES, Channel, World};

const CATEGORIES: usize = Category::ALL.len();

/// How many merchants a holder prefers in a category, near home and online each.
const FAVOURITES: usize = 3;

/// What does not change about a holder.
#[derive(Debug)]
struct Habits {
    /// The city they live in.
    home: usize,
    /// Another city they often spend a day in: parents, a friend, a second office.
    second_city: Option<usize>,
    /// Where another person with the same account pays.
    partner_city: Option<usize>,
    /// Everyday payments a day.
    per_day: f64,
    /// The factor of that on Saturdays and Sundays.
    weekend: f64,
    /// By how many hours their day is later than most people's: early birds below 0, night owls above.
    lateness: i64,
    /// The factor by which they pay online more often than most.
    online_taste: f64,
    /// How often they choose one of their favourites, `0.0..=1.0`.
    loyalty: f64,
    /// Trips a day.
    trip_rate: f64,
    /// Sessions of tiny payments a day: games, machines, fares.
    tiny_rate: f64,
    /// How likely a payment is in each category, as weights.
    tastes: [f64; CATEGORIES],
    /// Their usual amount in each category, as a factor of the category's median.
    scales: [f64; CATEGORIES],
    /// The merchants they prefer in shops and online.
    favourites: [[[u32; FAVOURITES]; 2]; CATEGORIES],
    /// Payments that come every month: the day of the month, the merchant, the amount in cents.
    subscriptions: Vec<(i64, u32, i64)>,
}

/// A card holder.
#[derive(Debug)]
pub struct Holder {
    habits: Habits,
    /// The holder's own random numbers; frauds on the card draw from them too.
    pub draw: Draw,
    opens_on: i64,
    trip: Option<Trip>,
    dormant_until: i64,
    blocked: std::ops::Range<i64>,
    /// When and where the card was last held to a terminal.
    pub last_shop: Option<(i64, usize)>,
    /// The card's number has leaked and will be used on this day.
    pub leaked: Option<(i64, Breach)>,
}

#[derive(Debug, Clone, Copy)]
struct Trip {
    city: usize,
    /// The first and last days, on which nothing is paid in shops on the way.
    from: i64,
    to: i64,
}

impl Holder {
    /// The holder of card number `card` (from 0); `first_day` is the simulation's first day, in days since 1970.
    #[must_use]
    pub fn new(world: &World, seed: u64, card: usize, first_day: i64) -> Self {
        let mut draw = Draw::new(seed, card as u64 + 1);
        // Every fourth card is new: opened some time after the beginning.
        let opens_on = if draw.chance(0.25) { first_day + draw.exponential(150.0) as i64 } else { first_day };
        let habits = Habits::new(world, &mut draw);
        Self {
            habits,
            draw,
            opens_on,
            trip: None,
            dormant_until: opens_on,
            blocked: 0..0,
            last_shop: None,
            leaked: None,
        }
    }

    /// Whether the card can be paid with: opened, and not blocked after a fraud.
    #[must_use]
    pub fn is_open(&self, day: i64) -> bool {
        day >= self.opens_on && !self.blocked.contains(&day)
    }

    /// A fraud was noticed: the card is blocked for a few days from this one on, until a new one arrives.
    pub fn block(&mut self, from: i64) {
        self.blocked = from..from + self.draw.whole(1, 5) as i64;
        self.leaked = None;
    }

    /// What the holder usually pays in this category, in euros.
    #[must_use]
    pub fn usual(&self, category: Category) -> f64 {
        category.traits().median * self.habits.scales[category.index()]
    }

    /// The honest payments of one day, in no order. Call it for each day in turn.
    pub fn spend_day(&mut self, world: &World, day: i64, events: &mut Vec<Event>) {
        if !self.is_open(day) {
            return;
        }
        self.pay_subscriptions(day, events);
        if day < self.dormant_until {
            return;
        }
        if self.draw.chance(1.0 / 400.0) {
            self.dormant_until = day + 10 + self.draw.exponential(40.0) as i64;
            return;
        }
        let today = self.plan(day);
        // Day 0 of 1970 was a Thursday: days 2 and 3 of each week counted from it are Saturday and Sunday.
        let is_weekend = matches!(day.rem_euclid(7), 2 | 3);
        let busy = if is_weekend { self.habits.weekend } else { 1.0 } * if today.away { 1.5 } else { 1.0 };
        for _ in 0..self.draw.count(self.habits.per_day * busy) {
            let category = self.everyday_category(&today);
            self.everyday_payment(world, day, &today, category, events);
        }
        self.be_odd(world, day, &today, is_weekend, events);
    }

    fn pay_subscriptions(&mut self, day: i64, events: &mut Vec<Event>) {
        for &(due, merchant, cents) in self.habits.subscriptions.iter().filter(|(due, ..)| day.rem_euclid(30) == *due) {
            // Merchants collect them by night and by day, each at its own hour.
            let at = (due * 7 + i64::from(merchant)).rem_euclid(24) as f64 * HOUR_MS + self.draw.between(0.0, HOUR_MS);
            events.push(Event { at_ms: day * DAY_MS + at as i64, merchant, cents, fraud: None });
        }
    }

    /// Begins and ends trips, and says where the holder is.
    fn plan(&mut self, day: i64) -> Today {
        if self.trip.is_some_and(|trip| day > trip.to) {
            self.trip = None;
        }
        if self.trip.is_none() && self.draw.chance(self.habits.trip_rate) {
            let city = self.draw.below(CITIES.len());
            let days = 2.0 + self.draw.exponential(6.0);
            self.trip = Some(Trip { city, from: day, to: day + days as i64 });
        }
        if self.trip.is_none()
            && let Some(city) = self.habits.second_city
            && self.draw.chance(0.05)
        {
            self.trip = Some(Trip { city, from: day, to: day + self.draw.whole(2, 4) as i64 });
        }
        match self.trip {
            Some(Trip { city, from, to }) => {
                let is_new_to_them = self.habits.second_city != Some(city);
                Today { city, away: is_new_to_them, on_the_way: day == from || day == to }
            }
            None => Today { city: self.habits.home, away: false, on_the_way: false },
        }
    }

    fn everyday_category(&mut self, today: &Today) -> Category {
        let away = today.away;
        let tastes = &self.habits.tastes;
        Category::ALL[self.draw.weighted(Category::ALL.iter().map(|category| {
            let factor = match category {
                Category::Restaurant | Category::Travel | Category::Cash | Category::Entertainment if away => 3.0,
                Category::Utilities | Category::HomeGarden if away => 0.2,
                _ => 1.0,
            };
            tastes[category.index()] * factor
        }))]
    }

    fn everyday_payment(
        &mut self,
        world: &World,
        day: i64,
        today: &Today,
        category: Category,
        events: &mut Vec<Event>,
    ) {
        let traits = category.traits();
        let online = !category.has_shops()
            || category.is_online() && (today.on_the_way || self.draw.chance(traits.online * self.habits.online_taste));
        if today.on_the_way && !online {
            return;
        }
        let merchant = self.choose_merchant(world, category, today, online);
        let hour = self.draw.weighted(traits.hours.iter().map(|weight| f64::from(*weight))) as i64;
        let hour = (hour + self.habits.lateness).rem_euclid(24) as f64;
        let at_ms = day * DAY_MS + (HOUR_MS * (hour + self.draw.unit())) as i64;
        let euros = self.draw.log_normal(self.usual(category), traits.sigma * 0.55);
        self.pay(world, at_ms, merchant, euros, events);
    }

    fn choose_merchant(&mut self, world: &World, category: Category, today: &Today, online: bool) -> u32 {
        let at_home = online || today.city == self.habits.home;
        if at_home && self.draw.chance(self.habits.loyalty) {
            return self.habits.favourites[category.index()][usize::from(online)]
                [self.draw.favouring_first(FAVOURITES)];
        }
        if online {
            return world.web_shop(category, &mut self.draw);
        }
        let elsewhere = self.habits.partner_city.filter(|_| self.draw.chance(0.1));
        world.shop(category, elsewhere.unwrap_or(today.city), &mut self.draw)
    }

    fn pay(&mut self, world: &World, at_ms: i64, merchant: u32, euros: f64, events: &mut Vec<Event>) {
        let seller = world.merchant(merchant);
        let cents = charged(euros, seller.category, &mut self.draw);
        events.push(Event { at_ms, merchant, cents, fraud: None });
        if seller.channel != Channel::Online && self.last_shop.is_none_or(|(last, _)| last < at_ms) {
            self.last_shop = Some((at_ms, seller.city));
        }
        let day = at_ms.div_euclid(DAY_MS);
        if self.leaked.is_none()
            && let Some(breach) = world.breach(merchant, day)
            && self.draw.chance(0.06)
        {
            self.leaked = Some((day + 3 + self.draw.exponential(14.0) as i64, breach));
        }
    }

    /// What honest people do now and then that looks like fraud.
    fn be_odd(&mut self, world: &World, day: i64, today: &Today, is_weekend: bool, events: &mut Vec<Event>) {
        if self.draw.chance(1.0 / 90.0) {
            self.buy_something_big(world, day, today, events);
        }
        if self.draw.chance(if is_weekend { 1.0 / 25.0 } else { 1.0 / 80.0 }) && !today.on_the_way {
            self.go_shopping(world, day, today, events);
        }
        if self.draw.chance(self.habits.tiny_rate) {
            self.pay_tiny_amounts(world, day, events);
        }
        if self.draw.chance(if is_weekend { 1.0 / 30.0 } else { 1.0 / 150.0 }) && !today.on_the_way {
            self.go_out(world, day, today, events);
        }
    }

    fn buy_something_big(&mut self, world: &World, day: i64, today: &Today, events: &mut Vec<Event>) {
        const BIG: [Category; 7] = [
            Category::Electronics,
            Category::HomeGarden,
            Category::Travel,
            Category::Luxury,
            Category::MoneyTransfer,
            Category::Marketplace,
            Category::Clothing,
        ];
        let category = BIG[self.draw.below(BIG.len())];
        let online = !category.has_shops() || today.on_the_way || self.draw.chance(0.6);
        let merchant = if online {
            world.web_shop(category, &mut self.draw)
        } else {
            world.shop(category, today.city, &mut self.draw)
        };
        let at_ms = day * DAY_MS + (self.draw.between(8.0, 23.5) * HOUR_MS) as i64;
        let euros = self.draw.log_normal(650.0, 0.7);
        self.pay(world, at_ms, merchant, euros, events);
    }

    fn go_shopping(&mut self, world: &World, day: i64, today: &Today, events: &mut Vec<Event>) {
        const TOUR: [Category; 8] = [
            Category::Clothing,
            Category::Clothing,
            Category::HealthBeauty,
            Category::Electronics,
            Category::HomeGarden,
            Category::Restaurant,
            Category::Luxury,
            Category::Cash,
        ];
        let mut at_ms = day * DAY_MS + (self.draw.between(9.0, 16.0) * HOUR_MS) as i64;
        for _ in 0..self.draw.whole(3, 9) {
            let category = TOUR[self.draw.below(TOUR.len())];
            let merchant = world.shop(category, today.city, &mut self.draw);
            let euros = self.draw.log_normal(self.usual(category) * 1.2, category.traits().sigma * 0.55);
            self.pay(world, at_ms, merchant, euros, events);
            at_ms += (MINUTE_MS * (3.0 + self.draw.exponential(30.0))) as i64;
        }
    }

    fn pay_tiny_amounts(&mut self, world: &World, day: i64, events: &mut Vec<Event>) {
        let category = if self.draw.chance(0.8) { Category::DigitalGoods } else { Category::Charity };
        let favourite = self.habits.favourites[category.index()][1][0];
        let usual = self.draw.chance(0.9);
        let mut at_ms = day * DAY_MS + (self.draw.between(0.0, 24.0) * HOUR_MS) as i64;
        let pause_s = self.draw.log_normal(150.0, 1.0);
        for _ in 0..self.draw.whole(3, 8) {
            let merchant = if usual { favourite } else { world.web_shop(category, &mut self.draw) };
            let euros = self.draw.log_normal(2.2, 0.6);
            self.pay(world, at_ms, merchant, euros, events);
            at_ms += (1000.0 * (5.0 + self.draw.exponential(pause_s))) as i64;
        }
    }

    fn go_out(&mut self, world: &World, day: i64, today: &Today, events: &mut Vec<Event>) {
        const NIGHT: [Category; 5] =
            [Category::Restaurant, Category::Entertainment, Category::Cash, Category::Transport, Category::FastFood];
        let mut at_ms = day * DAY_MS + (self.draw.between(20.0, 24.0) * HOUR_MS) as i64;
        for _ in 0..self.draw.whole(2, 7) {
            let category = NIGHT[self.draw.below(NIGHT.len())];
            let merchant = world.shop(category, today.city, &mut self.draw);
            let euros = self.draw.log_normal(self.usual(category), category.traits().sigma * 0.55);
            self.pay(world, at_ms, merchant, euros, events);
            at_ms += (MINUTE_MS * (5.0 + self.draw.exponential(45.0))) as i64;
        }
    }
}

/// Where the holder is today.
#[derive(Debug)]
struct Today {
    city: usize,
    away: bool,
    on_the_way: bool,
}

impl Habits {
    fn new(world: &World, draw: &mut Draw) -> Self {
        let home = draw.weighted(CITIES.iter().map(|city| city.residents));
        let some_city = |draw: &mut Draw, share: f64| {
            draw.chance(share).then(|| draw.weighted(CITIES.iter().map(|city| city.residents)))
        };
        let (second_city, partner_city) = (some_city(draw, 0.3), some_city(draw, 0.02));
        let wealth = draw.log_normal(1.0, 0.45);
        let lateness = match draw.unit() {
            early if early < 0.10 => -2,
            owl if owl > 0.88 => draw.whole(3, 6) as i64,
            _ => draw.whole(0, 2) as i64 - 1,
        };
        let mut habits = Self {
            home,
            second_city,
            partner_city,
            per_day: draw.log_normal(1.4, 0.6).min(8.0),
            weekend: draw.between(0.7, 1.6),
            lateness,
            online_taste: draw.log_normal(0.8, 0.5),
            loyalty: draw.between(0.7, 0.97),
            trip_rate: draw.log_normal(1.0 / 110.0, 0.8).min(0.1),
            tiny_rate: if draw.chance(0.15) { draw.between(0.02, 0.1) } else { 0.003 },
            tastes: [0.0; CATEGORIES],
            scales: [0.0; CATEGORIES],
            favourites: [[[0; FAVOURITES]; 2]; CATEGORIES],
            subscriptions: Vec::new(),
        };
        for category in Category::ALL {
            let index = category.index();
            habits.tastes[index] = category.traits().weight * draw.log_normal(1.0, 0.7);
            habits.scales[index] = wealth * draw.log_normal(1.0, 0.35);
            for favourite in 0..FAVOURITES {
                if category.has_shops() {
                    habits.favourites[index][0][favourite] = world.shop(category, home, draw);
                }
                if category.is_online() {
                    habits.favourites[index][1][favourite] = world.web_shop(category, draw);
                }
            }
        }
        for _ in 0..draw.whole(0, 4) {
            let category = if draw.chance(0.7) { Category::DigitalGoods } else { Category::Utilities };
            let euros = draw.log_normal(category.traits().median * 1.6, 0.5);
            let due = draw.below(30) as i64;
            habits.subscriptions.push((due, world.web_shop(category, draw), charged(euros, category, draw)));
        }
        habits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offline::simulate::world::far_apart;

    fn year_of(card: usize) -> Vec<Event> {
        let world = World::new(5, 2000);
        let mut holder = Holder::new(&world, 5, card, 20_000);
        let mut events = Vec::new();
        (20_000..20_365).for_each(|day| holder.spend_day(&world, day, &mut events));
        events
    }

    #[test]
    fn honest_people_return_to_their_merchants_and_travel_all_the_same() {
        let world = World::new(5, 2000);
        let (mut returns, mut payments, mut far_from_home) = (0, 0, 0);
        for card in 0..20 {
            let home = Holder::new(&world, 5, card, 20_000).habits.home;
            let mut seen = std::collections::HashSet::new();
            for event in year_of(card) {
                let merchant = world.merchant(event.merchant);
                payments += 1;
                returns += usize::from(!seen.insert(event.merchant));
                let abroad = merchant.channel != Channel::Online && far_apart(merchant.city, home);
                far_from_home += usize::from(abroad);
            }
        }
        assert!(payments > 5_000, "{payments}");
        let share = |part: usize| part as f64 / payments as f64;
        assert!((0.5..0.95).contains(&share(returns)), "{}", share(returns));
        assert!((0.01..0.25).contains(&share(far_from_home)), "{}", share(far_from_home));
    }

    #[test]
    fn a_blocked_card_pays_nothing() {
        let world = World::new(5, 2000);
        let open = |card| Some(Holder::new(&world, 5, card, 20_000)).filter(|holder| holder.is_open(20_000));
        let mut holder = (0..100).find_map(open).unwrap();
        holder.block(20_010);
        let mut events = Vec::new();
        holder.spend_day(&world, 20_010, &mut events);
        assert_eq!(events, []);
        assert!(holder.is_open(20_009) && holder.is_open(20_015));
    }
}
