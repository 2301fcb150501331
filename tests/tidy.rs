//! The house rules, as checks of the repository's text: what may use what, what may be named where, what stands at the
//! top of a file, and whether the documentation names things that exist.
//!
//! A rule is a pure function from the files to its complaints, `path:line: what is wrong`. Beside it stands a small
//! repository that breaks it, so that no rule can rot into one that always passes. This file and the names in it are
//! exempt from the rules about words.

#[path = "tidy/repository.rs"]
mod repository;

use repository::{File, Repository, names, names_crate, paths_after, words};

/// One rule: the sentence it enforces, the check, and repositories that break it.
struct Rule {
    says: &'static str,
    check: fn(&Repository) -> Vec<String>,
    broken_by: &'static [&'static [(&'static str, &'static str)]],
}

/// What each module may use, itself aside. The order is that of the house: nothing uses what stands below it.
const MAY_USE: [(&str, &[&str]); 12] = [
    ("domain", &[]),
    ("features", &["domain"]),
    ("history", &["domain"]),
    ("model", &["domain", "features"]),
    ("scoring", &["domain", "features", "history", "model"]),
    ("lifecycle", &[]),
    ("settings", &["domain", "features", "history", "model", "scoring"]),
    ("observability", &["domain", "features", "history", "model", "scoring", "settings"]),
    ("http", &["domain", "features", "history", "model", "scoring", "lifecycle", "settings", "observability"]),
    ("app", &["domain", "features", "history", "model", "scoring", "lifecycle", "settings", "observability", "http"]),
    (
        "offline",
        &["domain", "features", "history", "model", "scoring", "lifecycle", "settings", "observability", "http", "app"],
    ),
    ("main", &["app", "offline", "settings", "observability"]),
];

/// Words that would let a clock, the environment or a framework into the pure modules.
const IMPURE: [&str; 10] =
    ["axum", "hyper", "tokio", "ort", "tracing", "env", "SystemTime", "Instant", "now", "aws_config"];

/// The crates that talk to another system, and the one file that may name each.
const GATEWAYS: [(&str, &str); 4] = [
    ("ort", "src/model/onnx.rs"),
    ("aws_sdk_s3", "src/model/s3.rs"),
    ("aws_sdk_cloudwatch", "src/observability/cloudwatch.rs"),
    ("redis", "src/history/redis.rs"),
];

/// What may stand at the top of the repository, dotfiles and what `.gitignore` names aside.
const TOP_LEVEL: [&str; 21] = [
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "models",
    "tests",
    "Dockerfile",
    "task-definition.json",
    "appspec.yaml",
    "README.md",
    "benches",
    "clients",
    "deploy",
    "docs",
    "Makefile",
    "LICENSE",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "clippy.toml",
    "deny.toml",
    "examples",
    "target",
];

/// The line that opens a source file's tests.
const TESTS_BEGIN: &str = "#[cfg(test)]";

const RULES: &[Rule] = &[
    Rule {
        says: "dependencies between modules point one way",
        check: dependencies_point_one_way,
        broken_by: &[
            &[("src/domain/amount.rs", "//! .\nuse crate::scoring::Scorer;")],
            &[("src/history/mod.rs", "//! .\nuse crate::{domain::Amount, features::{self, FeatureSchema}};")],
            &[("src/scoring/pool.rs", "//! .\nfn f() { crate::observability::metrics::count() }")],
            &[("src/app.rs", "//! .\nuse crate::offline::replay;")],
            &[("src/newcomer.rs", "//! .\nuse crate::domain::Amount;")],
            &[("src/main.rs", "//! .\nuse fraud_detection::history::MemoryStore;")],
        ],
    },
    Rule {
        says: "domain, features and history know no framework, clock or environment",
        check: pure_modules_stay_pure,
        broken_by: &[
            &[("src/domain/amount.rs", "//! .\nuse tokio::time;")],
            &[("src/features/mod.rs", "//! .\nfn f() { jiff::Timestamp::now(); }")],
            &[("src/features/mod.rs", "//! .\nlet zone = std::env::var(\"TZ\");")],
            &[("src/history/windows.rs", "//! .\nlet start = Instant::now();")],
        ],
    },
    Rule {
        says: "a crate that talks to another system is named in one file",
        check: gateways_are_alone,
        broken_by: &[
            &[("src/scoring/pool.rs", "//! .\nuse ort::session::Session;")],
            &[("src/http/mod.rs", "//! .\nlet c = aws_sdk_s3::Client::new();")],
        ],
    },
    Rule {
        says: "anyhow is for the edges: main, app, offline and the signature of a task's run",
        check: anyhow_stays_at_the_edges,
        broken_by: &[
            &[("src/model/manifest.rs", "//! .\nuse anyhow::Context;")],
            &[("src/http/mod.rs", "//! .\npub fn parse() -> anyhow::Result<()> {")],
        ],
    },
    Rule {
        says: "every Rust file opens with //!",
        check: files_open_with_their_purpose,
        broken_by: &[&[("src/lib.rs", "use std::fs;\n//! late")], &[("tests/service/main.rs", "fn main() {}")]],
    },
    Rule {
        says: "a file of more than 500 lines without its tests is two files",
        check: files_are_short,
        broken_by: &[&[("src/http/mod.rs", TOO_LONG)]],
    },
    Rule {
        says: "no module is named for being shared",
        check: modules_have_names,
        broken_by: &[
            &[("src/utils.rs", "")],
            &[("tests/common/mod.rs", "")],
            &[("src/http/helpers/mod.rs", "")],
            &[("src/model/mod.rs", "//! .\nmod manager {\n}")],
        ],
    },
    Rule {
        says: "nothing is left for later",
        check: nothing_is_left_for_later,
        broken_by: &[
            &[("src/lib.rs", "//! .\nfn f() { todo!() }")],
            &[("src/lib.rs", "//! .\nfn f() { unimplemented!(\"later\") }")],
            &[("src/lib.rs", "//! .\n// TODO: more")],
            &[("models/training/train.py", "# FIXME")],
        ],
    },
    Rule {
        says: "tests are neither ignored nor timed by sleeping",
        check: tests_run_and_wait_for_conditions,
        broken_by: &[
            &[("tests/service/main.rs", "//! .\n#[test]\n#[ignore]\nfn t() {}")],
            &[("src/lib.rs", "//! .\n#[cfg(test)]\nmod tests {\n#[test]\n#[ignore = \"slow\"]\nfn t() {}")],
            &[("tests/service/main.rs", "//! .\nfn t() { std::thread::sleep(SECOND) }")],
            &[("src/lib.rs", "//! .\n#[cfg(test)]\nmod tests {\nuse std::thread::sleep;\n}")],
        ],
    },
    Rule {
        says: "only the command line prints",
        check: only_the_command_line_prints,
        broken_by: &[
            &[("src/http/mod.rs", "//! .\nfn f() { println!(\"here\") }")],
            &[("src/app.rs", "//! .\nfn f() { eprintln!(\"there\") }")],
        ],
    },
    Rule {
        says: "the top of the repository holds what the design lists",
        check: top_level_is_the_agreed_one,
        broken_by: &[&[("notes.txt", "")], &[("scripts/run.sh", "")]],
    },
    Rule {
        says: "the README tells how to run and how to test",
        check: readme_tells_how_to_start,
        broken_by: &[&[("README.md", "Call `make run`.")], &[("README.md", "Call `make test`.")]],
    },
    Rule {
        says: "every make target that is named exists",
        check: make_targets_exist,
        broken_by: &[
            &[("README.md", "Call `make lunch` first."), ("Makefile", "lint: tools\n\ttrue")],
            &[("docs/a.md", "```sh\nmake lint rnu\n```"), ("Makefile", "run lint: tools\n\ttrue")],
        ],
    },
    Rule {
        says: "every FRAUD_ setting that is named exists",
        check: settings_exist,
        broken_by: &[
            &[("README.md", "Set `FRAUD_HTTP__PROT`."), ("src/settings/default.toml", "[http]\nport = 8000")],
            &[("Makefile", "run:\n\tFRAUD_LOG__PORT=1 x"), ("src/settings/default.toml", "[http]\nport = 8000\n[log]")],
        ],
    },
    Rule {
        says: "every link of the documentation leads somewhere",
        check: links_lead_somewhere,
        broken_by: &[
            &[("README.md", "See [the models](docs/model.md)."), ("docs/models.md", "# Models")],
            &[("docs/models.md", "See [below](#traning).\n# Training")],
            &[("README.md", "See [training](docs/models.md#train)."), ("docs/models.md", "# Training a model")],
        ],
    },
];

/// One line more than a source file may have.
const TOO_LONG: &str = match str::from_utf8(&[b'\n'; 501]) {
    Ok(lines) => lines,
    Err(_) => "",
};

#[test]
fn the_repository_keeps_every_rule() {
    let repository = Repository::on_disk();
    let complaints: Vec<String> = RULES
        .iter()
        .flat_map(|rule| (rule.check)(&repository).into_iter().map(|complaint| format!("{complaint} ({})", rule.says)))
        .collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_rule_can_fail() {
    for rule in RULES {
        assert!(!rule.broken_by.is_empty(), "no example breaks: {}", rule.says);
        for (number, example) in rule.broken_by.iter().enumerate() {
            let complaints = (rule.check)(&Repository::of(example));
            assert_eq!(complaints.len(), 1, "{}, example {number}: {complaints:?}", rule.says);
        }
    }
}

#[test]
fn what_only_looks_like_a_fault_is_let_pass() {
    let innocent = Repository::of(&[
        (
            "README.md",
            "`make run`, `make test`, `make run PORT=1`, make sure of [it](docs/a.md#two-words) and [that](https://a.b/c).",
        ),
        (
            "docs/a.md",
            "# Two `words`\n```sh\nmake run && make test\n```\n[up](../README.md) `FRAUD_HTTP__PORT` `FRAUD_…`",
        ),
        ("Makefile", "run test: tools ## all (PORT=1)\n\ttrue"),
        ("src/settings/default.toml", "[http]\nport = 8000"),
        ("src/scoring/mod.rs", "//! Speaks of println! and [`crate::http`].\nuse crate::domain::Amount;"),
        (
            "src/features/mod.rs",
            "//! No tokio.\n/// Never from env.\nfn sort() { report::known(); import(\"env\".len()) }",
        ),
        ("src/http/mod.rs", "//! .\nasync fn run(self, stop: CancellationToken) -> anyhow::Result<()> {"),
    ]);
    for rule in RULES {
        assert_eq!((rule.check)(&innocent), Vec::<String>::new(), "{}", rule.says);
    }
}

fn dependencies_point_one_way(repository: &Repository) -> Vec<String> {
    complaints(repository.sources(), |file| {
        let module = file.module();
        let may_use = MAY_USE.iter().find(|(name, _)| *name == module).map(|(_, uses)| *uses);
        let root = if module == "main" { "fraud_detection::" } else { "crate::" };
        file.code().filter_map(move |(line, code)| {
            let Some(may_use) = may_use else {
                return (line == 1 && module != "lib").then(|| (line, format!("`{module}` has no place in MAY_USE")));
            };
            let used = paths_after(root, code).into_iter().find(|used| *used != module && !may_use.contains(used))?;
            Some((line, format!("{module} must not use {used}")))
        })
    })
}

fn pure_modules_stay_pure(repository: &Repository) -> Vec<String> {
    let pure = repository.sources().filter(|file| ["domain", "features", "history"].contains(&file.module()));
    complaints(pure, |file| {
        file.code().filter_map(move |(line, code)| {
            // History's store is asynchronous, its gateway to Redis more so.
            let allowed: &[&str] = if file.module() == "history" { &["tokio", "tracing"] } else { &[] };
            let word = IMPURE.iter().find(|word| !allowed.contains(word) && names(code, word))?;
            Some((line, format!("{} must not know `{word}`", file.module())))
        })
    })
}

fn gateways_are_alone(repository: &Repository) -> Vec<String> {
    complaints(repository.sources(), |file| {
        file.code().filter_map(move |(line, code)| {
            let (word, home) = GATEWAYS.iter().find(|(word, home)| file.path != *home && names_crate(code, word))?;
            Some((line, format!("`{word}` belongs to {home} alone")))
        })
    })
}

fn anyhow_stays_at_the_edges(repository: &Repository) -> Vec<String> {
    let inner = repository.sources().filter(|file| !["main", "app", "offline"].contains(&file.module()));
    complaints(inner, |file| {
        file.code().filter(|(_, code)| names(code, "anyhow")).filter_map(move |(line, code)| {
            let of_a_task = code.contains("fn run(") && code.contains("stop: CancellationToken) -> anyhow::Result<()>");
            (!of_a_task).then(|| (line, "a typed error belongs here, not anyhow".to_owned()))
        })
    })
}

fn files_open_with_their_purpose(repository: &Repository) -> Vec<String> {
    complaints(repository.rust(), |file| {
        (!file.text.starts_with("//! ")).then(|| (1, "must open with `//! ` and what the file owns".to_owned()))
    })
}

fn files_are_short(repository: &Repository) -> Vec<String> {
    const MOST: usize = 500;
    complaints(repository.sources(), |file| {
        let lines = file.text.lines().take_while(|line| *line != TESTS_BEGIN).count();
        (lines > MOST).then(|| (lines, format!("{lines} lines without tests, more than {MOST}")))
    })
}

fn modules_have_names(repository: &Repository) -> Vec<String> {
    const EMPTY_NAMES: [&str; 7] = ["utils", "util", "common", "helpers", "helper", "manager", "misc"];
    complaints(repository.rust().filter(|file| !file.is_this()), |file| {
        let in_path = file.path.split(['/', '.']).find(|part| EMPTY_NAMES.contains(part));
        let inside = EMPTY_NAMES.iter().find(|name| file.text.contains(&format!("mod {name} {{")));
        in_path.or(inside.copied()).map(|name| (1, format!("`{name}` does not say what the module owns")))
    })
}

fn nothing_is_left_for_later(repository: &Repository) -> Vec<String> {
    let written = repository.files.iter().filter(|file| file.has_extension(&["rs", "py", "sh", "toml", "md"]));
    complaints(written.filter(|file| !file.is_this()), |file| {
        file.numbered().filter_map(|(line, text)| {
            let word = ["todo!", "unimplemented!", "TODO", "FIXME"].iter().find(|word| text.contains(**word))?;
            Some((line, format!("`{word}`: do it or drop it")))
        })
    })
}

fn tests_run_and_wait_for_conditions(repository: &Repository) -> Vec<String> {
    complaints(repository.rust().filter(|file| !file.is_this()), |file| {
        let before_tests = |(_, text): &(usize, &str)| file.path.starts_with("src/") && *text != TESTS_BEGIN;
        file.numbered().skip_while(before_tests).filter_map(|(line, text)| {
            let word = ["#[ignore", "thread::sleep"].iter().find(|word| text.contains(**word))?;
            Some((line, format!("`{word}`: a test runs always, and waits for a condition")))
        })
    })
}

fn only_the_command_line_prints(repository: &Repository) -> Vec<String> {
    let silent = repository.sources().filter(|file| !["main", "offline"].contains(&file.module()));
    complaints(silent, |file| {
        file.code().filter_map(|(line, code)| {
            let word = ["println", "print", "eprintln", "eprint"]
                .iter()
                .find(|word| names(code, word) && code.contains(&format!("{word}!")))?;
            Some((line, format!("`{word}!`: log it, or answer it")))
        })
    })
}

fn top_level_is_the_agreed_one(repository: &Repository) -> Vec<String> {
    let mut entries: Vec<&str> = repository
        .files
        .iter()
        .filter_map(|file| file.path.split('/').next())
        .filter(|entry| !entry.starts_with('.') && !TOP_LEVEL.contains(entry))
        .collect();
    entries.dedup();
    entries.into_iter().map(|entry| format!("{entry}: does not belong at the top of the repository")).collect()
}

fn readme_tells_how_to_start(repository: &Repository) -> Vec<String> {
    let commands = repository.get("README.md").map(File::commands).unwrap_or_default();
    let missing = ["make run", "make test"]
        .into_iter()
        .filter(|tell| !commands.iter().any(|(_, command)| command.trim() == *tell));
    missing.map(|command| format!("README.md:1: must show `{command}`")).collect()
}

fn make_targets_exist(repository: &Repository) -> Vec<String> {
    let makefile = repository.text("Makefile");
    let targets: Vec<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', '.', ' ']))
        .filter_map(|line| line.split_once(':').filter(|(_, rest)| !rest.starts_with('=')))
        .flat_map(|(targets, _)| targets.split_whitespace())
        .collect();
    complaints(repository.prose(), |file| {
        file.commands()
            .into_iter()
            .filter_map(|(line, command)| Some((line, command.trim().strip_prefix("make ")?)))
            .flat_map(|(line, arguments)| arguments.split_whitespace().map(move |argument| (line, argument)))
            .filter(|(_, argument)| argument.bytes().all(|byte| byte.is_ascii_lowercase() || b"-/.".contains(&byte)))
            .filter(|(_, argument)| !targets.contains(argument))
            .map(|(line, argument)| (line, format!("the Makefile has no target `{argument}`")))
            .collect::<Vec<_>>()
    })
}

fn settings_exist(repository: &Repository) -> Vec<String> {
    let mut known = vec!["FRAUD_CONFIG".to_owned()];
    let mut section = String::new();
    for line in repository.text("src/settings/default.toml").lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{}__", name.to_uppercase());
        } else if let Some((key, _)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            known.push(format!("FRAUD_{section}{}", key.trim().to_uppercase()));
        }
    }
    let named = repository.files.iter().filter(|file| {
        file.has_extension(&["md", "sh", "yaml", "json", "toml"]) || ["Makefile", "Dockerfile"].contains(&&*file.path)
    });
    complaints(named, |file| {
        file.numbered()
            .flat_map(|(line, text)| words(text).map(move |word| (line, word)))
            // A bare prefix, as in `FRAUD_<SECTION>__<KEY>`, names no setting.
            .filter(|(_, word)| word.starts_with("FRAUD_") && !word.ends_with('_'))
            .filter(|(_, word)| !known.iter().any(|name| name == word))
            .map(|(line, word)| (line, format!("no setting is called {word}")))
            .collect::<Vec<_>>()
    })
}

fn links_lead_somewhere(repository: &Repository) -> Vec<String> {
    complaints(repository.prose(), |file| {
        file.numbered()
            .flat_map(|(line, text)| text.split("](").skip(1).map(move |rest| (line, rest)))
            .filter_map(|(line, rest)| Some((line, rest.split_once(')')?.0)))
            .filter(|(_, link)| !link.contains("://") && !link.starts_with("mailto:"))
            .filter(|(_, link)| !repository.resolves(file, link))
            .map(|(line, link)| (line, format!("the link `{link}` leads nowhere")))
            .collect::<Vec<_>>()
    })
}

/// `path:line: what` for each fault that `check` finds in each file.
fn complaints<'a, F, I>(files: impl Iterator<Item = &'a File>, check: F) -> Vec<String>
where
    F: Fn(&'a File) -> I,
    I: IntoIterator<Item = (usize, String)>,
{
    files
        .flat_map(|file| check(file).into_iter().map(move |(line, what)| format!("{}:{line}: {what}", file.path)))
        .collect()
}
