//! Who may call: the API keys, of which only SHA-256 hashes are known here.
//!
//! A presented key is hashed and compared with every configured hash in constant time, so that neither its content
//! nor its place in the list shows in how long a refusal takes. Hashes never appear in `Debug`.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `/predict` and `/batch`.
    Score,
    /// `/feedback`.
    Feedback,
    /// `/model`, `/openapi.json` and `/docs` where they are not public.
    Ops,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Score, Self::Feedback, Self::Ops];

    /// The word used in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Score => "score",
            Self::Feedback => "feedback",
            Self::Ops => "ops",
        }
    }
}

/// One caller's key.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    name: Box<str>,
    scopes: Vec<Scope>,
    sha256: [u8; 32],
}

impl ApiKey {
    /// Who holds the key; fit for logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the key opens the routes of `scope`.
    #[must_use]
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("name", &self.name).field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

/// Every configured key; none means that anyone may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiKeys(Vec<ApiKey>);

impl ApiKeys {
    /// Reads `name:scope+scope:sha256` entries separated by commas; the empty text is no keys.
    ///
    /// # Errors
    /// One sentence for each broken entry, which names it by its position only: a key pasted in the wrong place must
    /// not end up in a message.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut keys: Vec<ApiKey> = Vec::new();
        let mut problems = Vec::new();
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        for (index, entry) in text.split(',').enumerate() {
            match parse_entry(entry.trim()) {
                Ok(key) if keys.iter().any(|other| other.name == key.name) => {
                    problems.push(format!("entry {}: an earlier entry has the same name", index + 1));
                }
                Ok(key) if keys.iter().any(|other| other.sha256 == key.sha256) => {
                    problems.push(format!("entry {}: an earlier entry has the same key", index + 1));
                }
                Ok(key) => keys.push(key),
                Err(problem) => problems.push(format!("entry {}: {problem}", index + 1)),
            }
        }
        if problems.is_empty() { Ok(Self(keys)) } else { Err(problems) }
    }

    /// Whether no key is configured, so that anyone may call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that was presented, if it is one of these. Takes the same time whichever it is, and if it is none.
    #[must_use]
    pub fn authorise(&self, presented: &str) -> Option<&ApiKey> {
        let presented: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        self.0.iter().fold(None, |found, key| if key.sha256.ct_eq(&presented).into() { Some(key) } else { found })
    }
}

fn parse_entry(entry: &str) -> Result<ApiKey, &'static str> {
    let mut parts = entry.split(':');
    let (Some(name), Some(scopes), Some(sha256), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("must be name:scopes:sha256");
    };
    if !(1..=64).contains(&name.len())
        || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    {
        return Err("the name must be 1 to 64 letters, digits, dots, dashes or underscores");
    }
    let scopes = scopes
        .split('+')
        .map(|word| Scope::ALL.into_iter().find(|scope| scope.as_str() == word))
        .collect::<Option<Vec<_>>>()
        .ok_or("the scopes must be score, feedback or ops, joined by +")?;
    let sha256 = parse_sha256(sha256).ok_or("the hash must be the 64 hexadecimal digits of the key's SHA-256")?;
    Ok(ApiKey { name: name.into(), scopes, sha256 })
}

fn parse_sha256(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256(key: &str) -> String {
        Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_presented_key_is_found_by_its_hash_and_opens_its_scopes_only() {
        let text = format!("core-banking:score+feedback:{}, ops:ops:{}", sha256("k1"), sha256("k2").to_uppercase());
        let keys = ApiKeys::parse(&text).unwrap();
        let core = keys.authorise("k1").unwrap();
        assert_eq!(core.name(), "core-banking");
        assert!(core.allows(Scope::Score) && core.allows(Scope::Feedback) && !core.allows(Scope::Ops));
        assert_eq!(keys.authorise("k2").map(ApiKey::name), Some("ops"));
        for wrong in ["", "K1", "k1 ", "core-banking", &sha256("k1")] {
            assert_eq!(keys.authorise(wrong), None, "{wrong}");
        }
        assert!(ApiKeys::parse(" ").unwrap().is_empty());
        assert_eq!(ApiKeys::default().authorise("k1"), None);
    }

    #[test]
    fn the_documented_command_makes_the_hash() {
        // printf %s 'an example, never use it' | sha256sum
        let text = "example:score:2052df961f93cc279d2493dfc22332a5ed1c63820231b7535042049673b56f75";
        assert!(ApiKeys::parse(text).unwrap().authorise("an example, never use it").is_some());
    }

    #[test]
    fn every_broken_entry_is_named_by_position_and_never_echoed() {
        let good = sha256("k");
        let text = format!(
            "a:score:{good},a:score:{},b:score:{good},secret-in-the-wrong-place,c:admin:{good},:score:{good},d:score:abc,é:score:{good},e:score:{}",
            sha256("other"),
            "é".repeat(32),
        );
        let problems = ApiKeys::parse(&text).unwrap_err();
        assert_eq!(problems.len(), 8, "{problems:#?}");
        for (position, problem) in (2..).zip(&problems) {
            assert!(problem.starts_with(&format!("entry {position}: ")), "{problem}");
            assert!(!problem.contains("secret") && !problem.contains(&good));
        }
        let debug = format!("{:?}", ApiKeys::parse(&format!("a:score:{good}")).unwrap());
        assert!(debug.contains("\"a\"") && debug.contains("Score") && !debug.contains(&good[..6]), "{debug}");
    }
}
