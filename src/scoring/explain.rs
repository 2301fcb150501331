//! Red flags: why a transaction looks risky, for any model.
//!
//! For each rule of one fixed table whose direction fits the row, the rule's features are set to their baseline and the
//! row is scored again, all such trials in one inference. The rules whose removal lowers the odds of fraud most become
//! the codes. The measure is the fall of the log-odds, which does not flatten near certainty as the score does.

use std::collections::HashMap;

use crate::domain::{Decision, HistoryStatus, Probability, RedFlag, RiskScore};
use crate::features::FeatureSchema;
use crate::model::LoadedModel;

/// At most this many red flags are named.
pub const MOST_RED_FLAGS: usize = 4;
/// A rule counts from this fall of the log-odds on: the odds of fraud fall by a fifth or more.
const LEAST_FALL: f64 = 0.223;
/// And from this share of the largest fall on.
const LEAST_SHARE: f64 = 0.15;
/// Probabilities are kept this far from 0 and 1, where odds have no bound.
const MARGIN: f64 = 1e-6;

/// A red flag that fits, with the clause that says so in this transaction's numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// The stable code.
    pub flag: RedFlag,
    /// For example `the amount is 14.2 times this user's 30-day mean`.
    pub clause: String,
    /// By how much the log-odds of fraud fall without the rule's features.
    pub fall: f64,
}

/// A line of the table.
struct Rule {
    flag: RedFlag,
    /// What is set to its baseline.
    features: &'static [&'static str],
    /// The clause, or `None` when the row does not lie in the risky direction.
    clause: fn(&Values<'_>) -> Option<String>,
}

/// A row by feature name; a missing value and one that the model does not know are both `None`.
struct Values<'a> {
    schema: &'a FeatureSchema,
    row: &'a [f32],
    baseline: &'a [f32],
    categories: &'a [String],
}

impl Values<'_> {
    fn get(&self, name: &str) -> Option<f64> {
        self.of(self.row, name)
    }

    /// The feature's usual value, or `otherwise` where none is known.
    fn usual(&self, name: &str, otherwise: f64) -> f64 {
        self.of(self.baseline, name).unwrap_or(otherwise)
    }

    fn of(&self, values: &[f32], name: &str) -> Option<f64> {
        let value = *values.get(self.schema.position(name)?)?;
        (!value.is_nan()).then_some(f64::from(value))
    }

    /// A count of transactions, this one included.
    fn count_with_this(&self, name: &str) -> Option<f64> {
        self.get(name).map(|before| before + 1.0)
    }
}

/// Above this speed, in km/h, no airliner carries a card holder.
const FASTEST_TRAVEL_KMH: f64 = 900.0;
/// Below this distance, in km, speed says nothing: places are only roughly known.
const LEAST_TRAVEL_KM: f64 = 100.0;

const RULES: [Rule; 20] = [
    Rule {
        flag: RedFlag::AmountFarAboveUsual,
        features: &[
            "user_ratio_10m",
            "user_ratio_1h",
            "user_ratio_24h",
            "user_ratio_7d",
            "user_ratio_30d",
            "user_zscore_10m",
            "user_zscore_1h",
            "user_zscore_24h",
            "user_zscore_7d",
            "user_zscore_30d",
        ],
        clause: |values| {
            let ratio = values.get("user_ratio_30d").filter(|&ratio| ratio >= 1.5)?;
            Some(format!("the amount is {ratio:.1} times this user's 30-day mean"))
        },
    },
    Rule {
        flag: RedFlag::AmountUnusualForCategory,
        features: &["user_category_ratio_30d", "user_category_zscore_30d"],
        clause: |values| {
            let ratio = values.get("user_category_ratio_30d").filter(|&ratio| ratio >= 1.5)?;
            Some(format!("the amount is {ratio:.1} times this user's 30-day mean in this category"))
        },
    },
    Rule {
        flag: RedFlag::LargeAmount,
        features: &["amount", "log_amount"],
        clause: |values| {
            let usual = values.usual("amount", 0.0);
            let amount = values.get("amount").filter(|&amount| amount > 1.5 * usual)?;
            Some(format!("the amount of {amount:.2} is large (usual is {usual:.2})"))
        },
    },
    Rule {
        flag: RedFlag::TestingAmount,
        features: &["amount", "log_amount"],
        clause: |values| {
            let usual = values.usual("amount", 0.0);
            let amount = values.get("amount").filter(|&amount| amount < 0.25 * usual)?;
            Some(format!("the amount of {amount:.2} is as small as in tests of stolen cards (usual is {usual:.2})"))
        },
    },
    Rule {
        flag: RedFlag::RapidSuccession,
        features: &["user_count_10m", "user_count_1h", "user_seconds_since_last"],
        clause: |values| {
            let within = |name, span| {
                values
                    .count_with_this(name)
                    .filter(|&count| count >= 2.0)
                    .map(|n| format!("{n:.0} transactions in {span}"))
            };
            within("user_count_10m", "10 minutes").or_else(|| within("user_count_1h", "an hour"))
        },
    },
    Rule {
        flag: RedFlag::ManyTransactionsToday,
        features: &["user_count_24h"],
        clause: |values| {
            let usual = values.usual("user_count_24h", 0.0) + 1.0;
            let count = values.count_with_this("user_count_24h").filter(|&count| count >= 3.0 && count > usual)?;
            Some(format!("{count:.0} transactions in 24 hours"))
        },
    },
    Rule {
        flag: RedFlag::HighSpendingToday,
        features: &["user_sum_10m", "user_sum_1h", "user_sum_24h", "user_mean_10m", "user_mean_1h", "user_mean_24h"],
        clause: |values| {
            let usual = values.usual("user_sum_24h", 0.0);
            let sum = values.get("user_sum_24h").filter(|&sum| sum > 1.5 * usual)?;
            Some(format!("{sum:.2} spent in the 24 hours before"))
        },
    },
    Rule {
        flag: RedFlag::HighRecentActivity,
        features: &[
            "user_count_7d",
            "user_sum_7d",
            "user_mean_7d",
            "user_count_30d",
            "user_sum_30d",
            "user_mean_30d",
            "user_category_count_30d",
            "user_category_sum_30d",
            "user_category_mean_30d",
        ],
        clause: |values| {
            let usual = values.usual("user_count_7d", 0.0);
            let week = values.get("user_count_7d").filter(|&count| count >= 2.0 && count > 1.5 * usual)?;
            let sum = values.get("user_sum_7d")?;
            Some(format!("{week:.0} transactions worth {sum:.2} in the 7 days before"))
        },
    },
    Rule {
        flag: RedFlag::NewMerchant,
        features: &["user_first_time_at_merchant"],
        clause: |values| {
            values.get("user_first_time_at_merchant").filter(|&first| first > 0.5)?;
            let count = values.get("user_count_30d").filter(|&count| count > 0.0)?;
            let plural = if count == 1.0 { "" } else { "s" };
            Some(format!("this user's first time at this merchant, after {count:.0} transaction{plural} in 30 days"))
        },
    },
    Rule {
        flag: RedFlag::ImpossibleTravel,
        features: &["user_distance_km", "user_speed_kmh"],
        clause: |values| {
            let distance = values.get("user_distance_km").filter(|&distance| distance >= LEAST_TRAVEL_KM)?;
            let speed = values.get("user_speed_kmh").filter(|&speed| speed > FASTEST_TRAVEL_KMH)?;
            Some(format!("{distance:.0} km from the last place, which would take {speed:.0} km/h"))
        },
    },
    Rule {
        flag: RedFlag::FarFromLastPlace,
        features: &["user_distance_km", "user_speed_kmh"],
        clause: |values| {
            let distance = values.get("user_distance_km").filter(|&distance| distance >= LEAST_TRAVEL_KM)?;
            values.get("user_speed_kmh").filter(|&speed| speed <= FASTEST_TRAVEL_KMH)?;
            Some(format!("{distance:.0} km from the last place"))
        },
    },
    Rule {
        flag: RedFlag::DormantUser,
        features: &["user_seconds_since_last"],
        clause: |values| {
            let days = values.get("user_seconds_since_last")? / 86_400.0;
            (days >= 7.0).then(|| format!("the first transaction in {days:.0} days"))
        },
    },
    Rule {
        flag: RedFlag::LittleHistory,
        features: &[
            "user_count_24h",
            "user_sum_24h",
            "user_count_7d",
            "user_sum_7d",
            "user_count_30d",
            "user_sum_30d",
            "user_first_time_at_merchant",
        ],
        clause: |values| {
            let count = values.get("user_count_30d").filter(|&count| count <= 3.0)?;
            Some(match count {
                0.0 => "nothing is known of this user in 30 days".to_owned(),
                1.0 => "only 1 transaction of this user known in 30 days".to_owned(),
                _ => format!("only {count:.0} transactions of this user known in 30 days"),
            })
        },
    },
    Rule {
        flag: RedFlag::UnusualHour,
        features: &["hour", "night"],
        clause: |values| {
            let hour = values.get("hour")?;
            let usual = values.usual("hour", hour);
            (hour != usual).then(|| format!("at {hour:02.0}:00 hours, when fraud is likelier"))
        },
    },
    Rule {
        flag: RedFlag::UnusualDay,
        features: &["day_of_week", "weekend"],
        clause: |values| {
            const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
            let day = values.get("day_of_week")?;
            let name = DAYS.get(day as usize)?;
            (day != values.usual("day_of_week", day)).then(|| format!("on a {name}, when fraud is likelier"))
        },
    },
    Rule {
        flag: RedFlag::RiskyCategory,
        features: &["category"],
        clause: |values| {
            // Codes rise with the category's fraud rate in training; an unknown one stands above all.
            let code = values.get("category").filter(|&code| code > values.usual("category", -1.0))?;
            Some(match values.categories.get(code as usize) {
                Some(category) => format!("merchant category {category}, in which fraud is likelier"),
                None => "a merchant category that training did not know".to_owned(),
            })
        },
    },
    Rule {
        flag: RedFlag::RiskyMerchant,
        features: &[
            "merchant_frauds_1d",
            "merchant_fraud_share_1d",
            "merchant_frauds_7d",
            "merchant_fraud_share_7d",
            "merchant_frauds_30d",
            "merchant_fraud_share_30d",
        ],
        clause: |values| {
            let frauds = values.get("merchant_frauds_30d").filter(|&frauds| frauds >= 1.0)?;
            let fraud = if frauds == 1.0 { "fraud" } else { "frauds" };
            Some(format!("{frauds:.0} {fraud} at this merchant became known in 30 days"))
        },
    },
    Rule {
        flag: RedFlag::MerchantSurge,
        features: &["merchant_count_1h", "merchant_count_24h", "merchant_count_7d", "merchant_count_30d"],
        clause: |values| {
            // Against the merchant's own pace over 30 days, this transaction included.
            let pace = values.get("merchant_count_30d")? / 30.0;
            let day = values.count_with_this("merchant_count_24h").filter(|&day| day >= 5.0 && day > 2.0 * pace)?;
            Some(format!("{day:.0} transactions at this merchant in 24 hours, on usual days {pace:.1}"))
        },
    },
    Rule {
        flag: RedFlag::UnusualForMerchant,
        features: &[
            "merchant_ratio_1h",
            "merchant_ratio_24h",
            "merchant_ratio_7d",
            "merchant_ratio_30d",
            "merchant_mean_1h",
            "merchant_mean_24h",
            "merchant_mean_7d",
            "merchant_mean_30d",
        ],
        clause: |values| {
            let ratio = values.get("merchant_ratio_30d").filter(|&ratio| ratio >= 1.5)?;
            Some(format!("the amount is {ratio:.1} times the 30-day mean at this merchant"))
        },
    },
    Rule {
        flag: RedFlag::PastFraud,
        features: &[
            "user_frauds_1d",
            "user_fraud_share_1d",
            "user_frauds_7d",
            "user_fraud_share_7d",
            "user_frauds_30d",
            "user_fraud_share_30d",
        ],
        clause: |values| {
            let frauds = values.get("user_frauds_30d").filter(|&frauds| frauds >= 1.0)?;
            let fraud = if frauds == 1.0 { "fraud" } else { "frauds" };
            Some(format!("{frauds:.0} {fraud} of this user became known in 30 days"))
        },
    },
];

/// The rows to score again, and what each stands for.
#[derive(Default)]
pub struct Trials {
    rows: Vec<f32>,
    planned: Vec<Trial>,
}

struct Trial {
    subject: usize,
    before: Probability,
    flag: RedFlag,
    clause: String,
}

impl std::fmt::Debug for Trials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trials").field("planned", &self.planned.len()).finish_non_exhaustive()
    }
}

impl Trials {
    /// Plans the trials of one scored row; `subject` names it in [`Trials::effects`].
    pub fn plan(&mut self, model: &LoadedModel, subject: usize, row: &[f32], before: Probability) {
        let schema = model.schema();
        let baseline = model.baseline();
        let values = Values { schema, row, baseline, categories: &model.manifest().categories };
        for rule in &RULES {
            let Some(clause) = (rule.clause)(&values) else { continue };
            let start = self.rows.len();
            self.rows.extend_from_slice(row);
            let mut changed = false;
            for position in rule.features.iter().filter_map(|name| schema.position(name)) {
                let (Some(value), Some(&usual)) = (self.rows.get_mut(start + position), baseline.get(position)) else {
                    continue;
                };
                // What is missing stays missing: a baseline would claim history that nobody has.
                if !value.is_nan() && *value != usual {
                    *value = usual;
                    changed = true;
                }
            }
            if changed {
                self.planned.push(Trial { subject, before, flag: rule.flag, clause });
            } else {
                self.rows.truncate(start);
            }
        }
    }

    /// The rows, one after another.
    #[must_use]
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The effects of each subject, strongest first, from the trials' probabilities.
    #[must_use]
    pub fn effects(self, probabilities: &[Probability]) -> HashMap<usize, Vec<Effect>> {
        let mut effects: HashMap<usize, Vec<Effect>> = HashMap::new();
        for (trial, &after) in self.planned.into_iter().zip(probabilities) {
            let fall = log_odds(trial.before) - log_odds(after);
            if fall >= LEAST_FALL {
                effects.entry(trial.subject).or_default().push(Effect { flag: trial.flag, clause: trial.clause, fall });
            }
        }
        for found in effects.values_mut() {
            found.sort_by(|a, b| b.fall.total_cmp(&a.fall));
            let largest = found.first().map_or(0.0, |effect| effect.fall);
            found.retain(|effect| effect.fall >= LEAST_SHARE * largest);
            found.truncate(MOST_RED_FLAGS);
        }
        effects
    }
}

fn log_odds(probability: Probability) -> f64 {
    let probability = f64::from(probability.value()).clamp(MARGIN, 1.0 - MARGIN);
    (probability / (1.0 - probability)).ln()
}

/// The codes and the one sentence of a decision.
#[must_use]
pub fn reasoning(risk_score: RiskScore, history: HistoryStatus, effects: Vec<Effect>) -> (Vec<RedFlag>, String) {
    let decision = risk_score.decision();
    let mut flags: Vec<RedFlag> = effects.iter().map(|effect| effect.flag).collect();
    let mut clauses: Vec<String> = effects.into_iter().map(|effect| effect.clause).collect();
    if flags.is_empty() && decision != Decision::Approve {
        flags.push(RedFlag::UnusualCombination);
        clauses.push("no single value stands out, their combination does".to_owned());
    }
    if history == HistoryStatus::Unavailable {
        clauses.push("scored without the user's history, which was unavailable".to_owned());
    }
    let verdict = match decision {
        Decision::Approve => format!("below {:.0}, where reviews begin", RiskScore::REVIEW_THRESHOLD),
        Decision::Review => format!("reviewed from {:.0} on", RiskScore::REVIEW_THRESHOLD),
        Decision::Decline => format!("declined at {:.0}", RiskScore::DECLINE_THRESHOLD),
    };
    let shown = risk_score.shown();
    let sentence = if clauses.is_empty() {
        format!("Risk {shown} of 100, {verdict}.")
    } else {
        format!("Risk {shown} of 100, {verdict}: {}.", clauses.join("; "))
    };
    (flags, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_exactly_one_rule_but_the_combination_which_has_none() {
        for flag in RedFlag::ALL {
            let rules = RULES.iter().filter(|rule| rule.flag == flag).count();
            assert_eq!(rules, usize::from(flag != RedFlag::UnusualCombination), "{flag:?}");
        }
    }

    #[test]
    fn the_rules_name_features_of_the_registry_and_reach_all_of_them() {
        let known: Vec<&str> = crate::features::all_names().collect();
        for rule in &RULES {
            for feature in rule.features {
                assert!(known.contains(feature), "{feature}");
            }
        }
        for feature in known {
            assert!(RULES.iter().any(|rule| rule.features.contains(&feature)), "no rule removes {feature}");
        }
    }

    #[test]
    fn one_sentence_says_score_threshold_and_reasons() {
        let effect = |flag, clause: &str| Effect { flag, clause: clause.to_owned(), fall: 1.0 };
        let score = |value| RiskScore::new(value).unwrap();
        let cases = [
            (91.2, HistoryStatus::Full, vec![effect(RedFlag::RapidSuccession, "6 transactions in 10 minutes")]),
            (55.0, HistoryStatus::Unavailable, vec![]),
            (12.9, HistoryStatus::None, vec![]),
        ];
        let sentences: Vec<(Vec<RedFlag>, String)> =
            cases.into_iter().map(|(value, history, effects)| reasoning(score(value), history, effects)).collect();
        assert_eq!(
            sentences,
            [
                (
                    vec![RedFlag::RapidSuccession],
                    "Risk 91 of 100, declined at 80: 6 transactions in 10 minutes.".to_owned()
                ),
                (
                    vec![RedFlag::UnusualCombination],
                    "Risk 55 of 100, reviewed from 50 on: no single value stands out, their combination does; scored \
                     without the user's history, which was unavailable."
                        .to_owned()
                ),
                (vec![], "Risk 12 of 100, below 50, where reviews begin.".to_owned()),
            ]
        );
    }
}
