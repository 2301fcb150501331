//! The simulation as one stream of payments in the order of time.
//!
//! Day by day each holder and each criminal makes plans; payments wait in a heap until their time has come. What is
//! held grows with the number of cards and merchants, never with the number of transactions.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::offline::simulate::event::{DAY_MS, Event};
use crate::offline::simulate::fraud;
use crate::offline::simulate::holder::Holder;
use crate::offline::simulate::world::World;

/// How big a simulation is, and when it begins and ends.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// The seed: the same one gives the same stream.
    pub seed: u64,
    /// How many cards.
    pub cards: usize,
    /// How many merchants, at least [`World::fewest_merchants`].
    pub merchants: usize,
    /// The first day, in days since 1970.
    pub first_day: i64,
    /// How many days.
    pub days: i64,
}

/// A payment and the card it was made with. Ordered by time; what else is compared only makes the order total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Payment {
    /// The payment.
    pub event: Event,
    /// The card's number, from 0.
    pub card: usize,
}

/// An iterator over simulated payments in the order of time.
#[derive(Debug)]
pub struct Simulation {
    world: World,
    holders: Vec<Holder>,
    waiting: BinaryHeap<Reverse<Payment>>,
    planned: Vec<Event>,
    next_day: i64,
    end_day: i64,
}

impl Simulation {
    /// A simulation before its first day.
    #[must_use]
    pub fn new(scale: Scale) -> Self {
        let world = World::new(scale.seed, scale.merchants);
        let holders = (0..scale.cards).map(|card| Holder::new(&world, scale.seed, card, scale.first_day)).collect();
        Self {
            world,
            holders,
            waiting: BinaryHeap::new(),
            planned: Vec::new(),
            next_day: scale.first_day,
            end_day: scale.first_day + scale.days,
        }
    }

    /// The merchants that payments name.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Plans the next day. No plan lies before the day it is made on.
    fn plan_day(&mut self) {
        for (card, holder) in self.holders.iter_mut().enumerate() {
            holder.spend_day(&self.world, self.next_day, &mut self.planned);
            fraud::strike(&self.world, holder, self.next_day, &mut self.planned);
            self.waiting.extend(self.planned.drain(..).map(|event| Reverse(Payment { event, card })));
        }
        self.next_day += 1;
    }
}

impl Iterator for Simulation {
    type Item = Payment;

    fn next(&mut self) -> Option<Payment> {
        // What begins on a later day can still come before what is waiting, unless that is earlier than the day.
        while self.waiting.peek().is_none_or(|Reverse(first)| first.event.at_ms >= self.next_day * DAY_MS) {
            if self.next_day == self.end_day {
                return None;
            }
            self.plan_day();
        }
        self.waiting.pop().map(|Reverse(payment)| payment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale { seed: 3, cards: 200, merchants: 1000, first_day: 20_089, days: 120 };

    #[test]
    fn payments_come_in_the_order_of_time_within_the_span() {
        let payments: Vec<Payment> = Simulation::new(SCALE).collect();
        assert!(payments.len() > 20_000);
        assert!(payments.is_sorted_by_key(|payment| payment.event.at_ms));
        let span = SCALE.first_day * DAY_MS..(SCALE.first_day + SCALE.days) * DAY_MS;
        assert!(payments.iter().all(|payment| span.contains(&payment.event.at_ms)));
    }

    #[test]
    fn a_longer_simulation_begins_with_the_shorter_one() {
        let short: Vec<Payment> = Simulation::new(Scale { days: 20, ..SCALE }).collect();
        assert!(Simulation::new(SCALE).zip(&short).all(|(long, short)| long == *short));
        let other: Vec<Payment> = Simulation::new(Scale { seed: 4, days: 20, ..SCALE }).collect();
        assert_ne!(short, other);
    }

    #[test]
    fn what_waits_does_not_grow_with_time() {
        let mut simulation = Simulation::new(SCALE);
        let mut most = [0; 2];
        while simulation.next().is_some() {
            let half = usize::from(simulation.next_day > SCALE.first_day + SCALE.days / 2);
            most[half] = most[half].max(simulation.waiting.len());
        }
        assert!(most[1] < 2 * most[0], "{most:?}");
    }

    #[test]
    fn fraud_is_rare_and_of_every_kind() {
        let scale = Scale { cards: 500, days: 200, ..SCALE };
        let (mut frauds, mut payments) = (std::collections::HashMap::new(), 0.0);
        for payment in Simulation::new(scale) {
            payments += 1.0;
            if let Some(kind) = payment.event.fraud {
                *frauds.entry(kind).or_insert(0.0) += 1.0;
            }
        }
        let share = frauds.values().sum::<f64>() / payments;
        assert!((0.003..0.008).contains(&share), "{share}");
        for kind in crate::offline::simulate::event::FraudKind::ALL {
            let share = frauds.get(&kind).copied().unwrap_or(0.0) / payments;
            assert!(share > 0.000_2, "{kind:?}: {share} ({frauds:?})");
        }
    }
}
