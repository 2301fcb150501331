//! The parameters of a scoring request's query.

use utoipa::IntoParams;

use crate::http::wire::FieldFault;

/// `?dry_run=` and `?explain=`, each `true` or `false`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Flags {
    /// `true` scores against history but records nothing, remembers nothing and counts in no business metric; the
    /// answer never comes from memory.
    #[param(required = false, default = false)]
    pub dry_run: bool,
    /// `true` gives red flags for an approval too.
    #[param(required = false, default = false)]
    pub explain: bool,
}

impl Flags {
    /// Reads a query; unknown parameters are ignored. Anything but `true` and `false` is a fault, for a dry run that is
    /// none would be recorded.
    ///
    /// # Errors
    /// Every parameter that is neither.
    pub fn parse(query: Option<&str>) -> Result<Self, Vec<FieldFault>> {
        let (mut flags, mut faults) = (Self::default(), Vec::new());
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (flag, field) = match name {
                "dry_run" => (&mut flags.dry_run, "dry_run"),
                "explain" => (&mut flags.explain, "explain"),
                _ => continue,
            };
            match value {
                "true" => *flag = true,
                "false" => *flag = false,
                _ => faults.push(FieldFault { field, problem: "must be true or false" }),
            }
        }
        if faults.is_empty() { Ok(flags) } else { Err(faults) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_true_and_false_are_read() {
        let flags = |dry_run, explain| Ok(Flags { dry_run, explain });
        for (query, expected) in [
            (None, flags(false, false)),
            (Some(""), flags(false, false)),
            (Some("dry_run=true"), flags(true, false)),
            (Some("explain=true&dry_run=false&trace=1"), flags(false, true)),
            (Some("dry_run=1&explain"), Err(vec!["dry_run", "explain"])),
            (Some("dry_run=True"), Err(vec!["dry_run"])),
            (Some("dry_run="), Err(vec!["dry_run"])),
        ] {
            let found = Flags::parse(query).map_err(|faults| faults.iter().map(|fault| fault.field).collect());
            assert_eq!(found, expected, "{query:?}");
        }
    }
}
