//! Holds the code against the table of layers in the module doc of `src/lib.rs`.
//!
//! Reads the sources as tokens: comments, literals and `#[cfg(test)]` items are left out, `use` trees are
//! followed to their leaves. Every path that begins with `crate::` must lead to a lower layer, and the layers
//! below the edges must not name what does I/O or tells the time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The last layer that is sans-IO.
const LAST_PURE: u8 = 10;

/// Roots of paths that no pure layer may name.
const BARRED_ROOTS: [&str; 6] = ["tokio", "arrow", "parquet", "clap", "indicatif", "crossbeam_channel"];
/// Modules of `std` that no pure layer may name.
const BARRED_OF_STD: [&str; 5] = ["fs", "thread", "process", "env", "os"];
/// Names that no pure layer may use, whatever they are imported from.
const BARRED_NAMES: [&str; 7] =
    ["Instant", "SystemTime", "TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixListener"];

#[test]
fn each_module_uses_only_lower_layers() {
    let layers = layers();
    let mut wrong = String::new();
    for source in sources(&layers) {
        for path in &source.paths {
            if path.names.iter().take_while(|name| *name == "super").count() >= source.depth {
                let at = format!("{}:{}", source.file.display(), path.line);
                _ = writeln!(wrong, "{at}: {} climbs to the root: say crate::", path.names.join("::"));
            }
            let [root, target, ..] = path.names.as_slice() else { continue };
            if root != "crate" || *target == source.module {
                continue;
            }
            let verdict = match layers.get(target) {
                None => "is no module of the table",
                Some(0) if source.layer == 0 => continue,
                Some(layer) if *layer < source.layer => continue,
                Some(layer) if *layer == source.layer => "stands in the same layer",
                Some(_) => "stands in a higher layer",
            };
            let at = format!("{}:{}", source.file.display(), path.line);
            _ = writeln!(wrong, "{at}: {} {verdict}", path.names.join("::"));
        }
    }
    assert!(wrong.is_empty(), "see the table of layers in src/lib.rs:\n{wrong}");
}

#[test]
fn nothing_below_the_edges_does_io_or_tells_the_time() {
    let mut wrong = String::new();
    for source in sources(&layers()).into_iter().filter(|source| source.layer <= LAST_PURE) {
        for path in &source.paths {
            if let Some(barred) = barred(&path.names) {
                let at = format!("{}:{}", source.file.display(), path.line);
                _ = writeln!(wrong, "{at}: {} names {barred}", path.names.join("::"));
            }
        }
    }
    assert!(wrong.is_empty(), "layers 0 to {LAST_PURE} are sans-IO:\n{wrong}");
}

#[test]
fn each_module_has_a_layer() {
    let layers = layers();
    let mut modules = Vec::new();
    for entry in fs::read_dir(root().join("src")).expect("src can be listed") {
        let path = entry.expect("src can be listed").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() || !["lib", "main"].contains(&name.as_str()) {
            modules.push(name);
        }
    }
    modules.sort();
    let named: Vec<_> = layers.into_keys().collect();
    assert_eq!(named, modules, "the table in src/lib.rs (left) names the modules of src (right)");
}

#[test]
fn paths_are_read_as_the_compiler_reads_them() {
    let source = r#"
        //! crate::doc
        use crate::{a, b::{c, self}, d::*};
        pub(crate) use std::{io, fs as files};
        /* crate::comment /* nested */ */
        fn f<'a>(x: &'a str) -> crate::e::E { let c = '"'; g("crate::text", '\'', r"\") ; crate::f::<u8>() }
        #[cfg(test)]
        pub(crate) mod tests { use crate::test; fn f() { "}" } }
        use crate::last;
    "#;
    let read: Vec<String> = paths(&tokens(source))
        .into_iter()
        .filter(|path| path.names.len() > 1)
        .map(|path| format!("{} {}", path.line, path.names.join("::")))
        .collect();
    let expected = [
        "3 crate::a",
        "3 crate::b::c",
        "3 crate::b::self",
        "3 crate::d",
        "4 std::io",
        "4 std::fs",
        "6 crate::e::E",
        "6 crate::f",
        "9 crate::last",
    ];
    assert_eq!(read, expected);
    for (path, is_barred) in [
        ("std::fs::File", true),
        ("std::net::IpAddr", false),
        ("std::net::TcpStream", true),
        ("std::time::Duration", false),
        ("std::time::Instant", true),
        ("core::time::Duration", false),
        ("clap::Parser", true),
        ("crate::inventory::parquet", false),
    ] {
        let names: Vec<String> = path.split("::").map(str::to_owned).collect();
        assert_eq!(barred(&names).is_some(), is_barred, "{path}");
    }
}

fn barred(path: &[String]) -> Option<&str> {
    let (first, rest) = path.split_first()?;
    let of_std = rest.first().filter(|name| first == "std" && BARRED_OF_STD.contains(&name.as_str()));
    let root = Some(first).filter(|name| !rest.is_empty() && BARRED_ROOTS.contains(&name.as_str()));
    let name = path.iter().find(|name| BARRED_NAMES.contains(&name.as_str()));
    of_std.or(root).or(name).map(String::as_str)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The layer of each module, from the table in `src/lib.rs`.
fn layers() -> BTreeMap<String, u8> {
    let text = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs can be read");
    let mut layers = BTreeMap::new();
    for line in text.lines() {
        let mut cells = line.strip_prefix("//! |").unwrap_or_default().split('|').map(str::trim);
        let (Some(Ok(layer)), Some(modules)) = (cells.next().map(str::parse), cells.next()) else { continue };
        // Every second piece between backticks is a name.
        for module in modules.split('`').skip(1).step_by(2) {
            assert_eq!(layers.insert(module.to_owned(), layer), None, "{module} stands in the table once");
        }
    }
    assert!(!layers.is_empty(), "src/lib.rs has a table of layers");
    layers
}

/// A file of the library.
struct Source {
    file: PathBuf,
    module: String,
    layer: u8,
    /// How many `super` lead from its top to the root of the library.
    depth: usize,
    paths: Vec<UsedPath>,
}

/// All files of the modules that have a layer, without those that hold only tests.
fn sources(layers: &BTreeMap<String, u8>) -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    files.sort();
    let mut sources = Vec::new();
    for file in files {
        let inside = file.strip_prefix(root().join("src")).expect("found below src");
        let first = inside.components().next().expect("a file has a name");
        let module = Path::new(first.as_os_str()).with_extension("").to_string_lossy().into_owned();
        let Some(&layer) = layers.get(&module) else { continue };
        let text = fs::read_to_string(&file).expect("sources are text");
        let name = file.strip_prefix(root()).expect("found below the root").to_owned();
        let depth = inside.components().count() - usize::from(inside.ends_with("mod.rs"));
        sources.push(Source { file: name, module, layer, depth, paths: paths(&tokens(&text)) });
    }
    sources
}

/// Rust files below `folder`. By the habit of this code `tests.rs` is a `#[cfg(test)]` module.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("folders of src can be listed") {
        let path = entry.expect("folders of src can be listed").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

/// A word or a sign of the source, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

impl Token {
    fn is(&self, text: &str) -> bool {
        self.text == text
    }

    fn is_word(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// Words, `::` and single signs; neither comments nor literals, nor what is marked `#[cfg(test)]`.
fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let length = token_length(rest, first);
        let (text, behind) = rest.split_at(length);
        let is_code = !text.starts_with(char::is_whitespace)
            && !text.starts_with("//")
            && !text.starts_with("/*")
            && !text.contains(['"', '\'']);
        if is_code {
            tokens.push(Token { text: text.to_owned(), line });
        }
        line += text.matches('\n').count();
        rest = behind;
    }
    without_tests(&tokens)
}

/// Bytes of the token, comment, literal or space that `source` begins with.
fn token_length(source: &str, first: char) -> usize {
    let until = |found: Option<usize>| found.unwrap_or(source.len());
    let word = until(source.find(|c: char| !(c.is_alphanumeric() || c == '_')));
    let (prefix, behind) = source.split_at(word);
    if source.starts_with("//") {
        return until(source.find('\n'));
    }
    if source.starts_with("/*") {
        return comment_length(source);
    }
    if behind.starts_with(['"', '#']) && ["r", "br", "cr"].contains(&prefix) {
        let hashes = behind.len() - behind.trim_start_matches('#').len();
        if behind.trim_start_matches('#').starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let start = word + hashes + 1;
            let inside = source.get(start..).unwrap_or_default();
            return inside.find(&close).map_or(source.len(), |at| start + at + close.len());
        }
    }
    if behind.starts_with('"') && ["", "b", "c"].contains(&prefix) {
        return word + quoted_length(behind, '"');
    }
    if behind.starts_with('\'') && ["", "b"].contains(&prefix) {
        let mut inside = behind.chars().skip(1);
        let (next, after) = (inside.next(), inside.next());
        let is_lifetime = next != Some('\\') && after != Some('\'');
        return word + if is_lifetime { 1 } else { quoted_length(behind, '\'') };
    }
    match first {
        ':' if source.starts_with("::") => 2,
        _ if word > 0 => word,
        _ => first.len_utf8(),
    }
}

/// Bytes of a block comment, which may hold others.
fn comment_length(source: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    source.len()
}

/// Bytes of a quoted literal with its quotes.
fn quoted_length(source: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in source.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    source.len()
}

/// The tokens without items marked `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut rest = tokens;
    while let Some((token, behind)) = rest.split_first() {
        let marked = rest.len() > MARK.len() && rest.iter().zip(MARK).all(|(token, mark)| token.is(mark));
        if marked {
            rest = behind_block(rest);
        } else {
            kept.push(token.clone());
            rest = behind;
        }
    }
    kept
}

/// What stands behind the next block, or behind a `;` that comes first.
fn behind_block(mut tokens: &[Token]) -> &[Token] {
    let mut depth = 0;
    while let Some((token, behind)) = tokens.split_first() {
        tokens = behind;
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return tokens,
            _ => continue,
        }
        if depth == 0 {
            return tokens;
        }
    }
    tokens
}

/// A path as written, with the branches of a `use` tree spelt out.
#[derive(Clone, Debug)]
struct UsedPath {
    names: Vec<String>,
    line: usize,
}

fn paths(tokens: &[Token]) -> Vec<UsedPath> {
    let mut found = Vec::new();
    let mut rest = tokens;
    while let Some((token, behind)) = rest.split_first() {
        rest = if token.is_word() { path(rest, &[], &mut found) } else { behind };
    }
    found
}

/// Reads one path, which `tokens` begin with, and returns what stands behind it.
fn path<'t>(mut tokens: &'t [Token], before: &[String], found: &mut Vec<UsedPath>) -> &'t [Token] {
    let mut names = before.to_vec();
    let line = tokens.first().map_or(0, |token| token.line);
    while let Some((token, behind)) = tokens.split_first() {
        if token.is_word() {
            names.push(token.text.clone());
            tokens = behind;
        } else if token.is("{") {
            return branches(behind, &names, found);
        } else {
            break;
        }
        match tokens.split_first() {
            Some((next, behind)) if next.is("::") => tokens = behind,
            _ => break,
        }
    }
    found.push(UsedPath { names, line });
    tokens
}

/// Reads the branches of a `use` tree up to its closing brace.
fn branches<'t>(mut tokens: &'t [Token], before: &[String], found: &mut Vec<UsedPath>) -> &'t [Token] {
    while let Some((token, behind)) = tokens.split_first() {
        match token.text.as_str() {
            "}" => return behind,
            _ if token.is_word() => {
                tokens = path(tokens, before, found);
                // `as name` belongs to the branch.
                if let Some((alias, behind)) = tokens.split_first().filter(|(alias, _)| alias.is("as")) {
                    debug_assert!(alias.is_word());
                    tokens = behind.split_first().map_or(behind, |(_, behind)| behind);
                }
            }
            _ => tokens = behind,
        }
    }
    tokens
}
