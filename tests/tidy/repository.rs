//! The files of the repository as the rules see them, and the little reading of Rust and Markdown they need.
//!
//! No parser: a rule that needs more than words and lines is too clever to be trusted.

use std::fs;
use std::path::Path;

/// A text file of the repository, its path relative to the top, with `/` between the parts.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// The top-level module a source file belongs to: `src/http/mod.rs` to `http`, `src/app.rs` to `app`.
    pub(crate) fn module(&self) -> &str {
        let inner = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inner.split('/').next().map_or(inner, |first| first.trim_end_matches(".rs"))
    }

    /// Whether this is a file of the rules themselves, which name every forbidden word.
    pub(crate) fn is_this(&self) -> bool {
        self.path.starts_with("tests/tidy")
    }

    pub(crate) fn has_extension(&self, extensions: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// The lines without their comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.numbered().map(|(line, text)| {
            let code = text.split("//").next().unwrap_or_default();
            (line, if text.trim_start().starts_with("//") { "" } else { code })
        })
    }

    /// What Markdown shows as commands: inline code, and the lines of fenced blocks, cut at `&&` and `;`.
    pub(crate) fn commands(&self) -> Vec<(usize, &str)> {
        let mut fenced = false;
        let mut commands = Vec::new();
        for (line, text) in self.numbered() {
            if text.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if fenced {
                let text = text.split(" #").next().unwrap_or_default();
                commands.extend(text.split("&&").flat_map(|part| part.split(';')).map(|part| (line, part)));
            } else {
                commands.extend(text.split('`').skip(1).step_by(2).map(|part| (line, part)));
            }
        }
        commands
    }

    /// The anchors of a Markdown file's headings, as GitHub makes them.
    pub(crate) fn anchors(&self) -> impl Iterator<Item = String> {
        self.text.lines().filter(|line| line.starts_with('#')).map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            title.chars().filter(|letter| letter.is_alphanumeric() || "-_".contains(*letter)).collect()
        })
    }
}

/// The files that the rules look at, and the folders they stand in.
#[derive(Debug)]
pub(crate) struct Repository {
    pub(crate) files: Vec<File>,
}

impl Repository {
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
        Self { files: files.iter().map(file).collect() }
    }

    /// Every file below the top, without what `.gitignore` names and git's own; binary ones with an empty text.
    pub(crate) fn on_disk() -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let ignored = fs::read_to_string(top.join(".gitignore")).expect(".gitignore is there");
        let ignored: Vec<&str> = ignored.lines().map(|line| line.trim_matches('/')).chain([".git"]).collect();
        let mut files = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(top.join(&folder)).expect("the folder can be read") {
                let entry = entry.expect("the entry can be read");
                let name = entry.file_name().into_string().expect("names are UTF-8");
                let path = format!("{folder}{name}");
                if ignored.iter().any(|ignored| *ignored == path || *ignored == name) {
                } else if entry.path().is_dir() {
                    folders.push(format!("{path}/"));
                } else {
                    let text = fs::read(entry.path()).expect("the file can be read");
                    files.push(File { path, text: String::from_utf8(text).unwrap_or_default() });
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    pub(crate) fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The text of a file, empty when it is not there.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.get(path).map_or("", |file| &file.text)
    }

    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.has_extension(&["rs"]))
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &File> {
        self.rust().filter(|file| file.path.starts_with("src/"))
    }

    pub(crate) fn prose(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.has_extension(&["md"]))
    }

    /// Whether a link in `from` leads to a file or folder, and its anchor to a heading.
    pub(crate) fn resolves(&self, from: &File, link: &str) -> bool {
        let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
        let mut parts: Vec<&str> = from.path.split('/').collect();
        if !target.is_empty() {
            parts.pop();
        }
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        let path = parts.join("/");
        match self.get(&path) {
            Some(file) => anchor.is_empty() || file.anchors().any(|known| known == anchor),
            None => path.is_empty() || self.files.iter().any(|file| file.path.starts_with(&format!("{path}/"))),
        }
    }
}

/// The identifiers and numbers of a text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

/// Whether code names an identifier, as a whole word outside of texts.
pub(crate) fn names(code: &str, identifier: &str) -> bool {
    code.split('"').step_by(2).flat_map(words).any(|word| word == identifier)
}

/// Whether code names a crate: as the head of a path, or alone in a `use`.
pub(crate) fn names_crate(code: &str, name: &str) -> bool {
    names(code, name) && (code.contains(&format!("{name}::")) || code.contains(&format!("use {name};")))
}

/// The first part of each path below `root`: `["domain", "history"]` for `use crate::{domain::Amount, history};`.
pub(crate) fn paths_after<'a>(root: &str, code: &'a str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for rest in code.split(root).skip(1) {
        match rest.strip_prefix('{') {
            None => found.extend(words(rest).next()),
            Some(group) => {
                let mut depth = 1_usize;
                let mut start = 0;
                for (at, letter) in group.char_indices() {
                    match letter {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 || (depth == 1 && letter == ',') {
                        found.extend(words(&group[start..at]).next());
                        start = at + 1;
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    found
}
