//! Numbers, times and colours for people.

use crate::finding::Severity;

/// Whether escape codes may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colours(pub(super) bool);

impl Colours {
    /// On a terminal that has them, unless `NO_COLOR` is set (<https://no-color.org>).
    pub(super) fn for_stdout() -> Self {
        use std::io::IsTerminal;
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self(std::io::stdout().is_terminal() && !refused && !dumb)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn alarm(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(super) fn warn(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub(super) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(super) fn severity(self, severity: Severity, text: &str) -> String {
        self.paint(
            match severity {
                Severity::Critical => "1;37;41",
                Severity::High => "1;31",
                Severity::Medium => "33",
                Severity::Low => "36",
                Severity::Info => "2",
            },
            text,
        )
    }
}

/// `1,234,567`
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1.4 MB`, in powers of a thousand.
pub(super) fn bytes(number: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let (mut scale, mut unit) = (1_u64, 0);
    while number / scale >= 1_000 && unit + 1 < units.len() {
        scale *= 1_000;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or("B");
    let (whole, tenth) = (number / scale, number % scale * 10 / scale);
    if unit == 0 || whole >= 100 { format!("{whole} {name}") } else { format!("{whole}.{tenth} {name}") }
}

/// `1 exchange`, `2 exchanges`
pub(super) fn plural(number: u64, one: &str) -> String {
    if number == 1 {
        return format!("1 {one}");
    }
    let many = match one.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        Some(_) | None => format!("{one}s"),
    };
    format!("{} {many}", thousands(number))
}

/// Columns that text is laid out for where no terminal says otherwise: as many as read well.
const COLUMNS: usize = 118;
/// Fewer than this no text is squeezed into.
const LEAST_COLUMNS: usize = 60;

/// Columns of a line on standard output: those of its terminal, as far as they read well.
pub(super) fn columns() -> usize {
    let terminal = terminal_size::terminal_size_of(std::io::stdout());
    columns_of(terminal.map(|(width, _)| usize::from(width.0)))
}

/// The last two columns of a terminal stay free.
fn columns_of(terminal: Option<usize>) -> usize {
    terminal.map_or(COLUMNS, |width| width.saturating_sub(2).clamp(LEAST_COLUMNS, COLUMNS))
}

/// Text in lines of at most `width` letters, each line after the first behind `indent` spaces.
pub(super) fn wrapped(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut column = indent;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > indent && column + 1 + length > width {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if column > indent {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_449), "1.4 kB");
        assert_eq!(bytes(297_320_698), "297 MB");
        assert_eq!(plural(1, "query"), "1 query");
        assert_eq!(plural(2_000, "query"), "2,000 queries");
        assert_eq!(plural(2, "day"), "2 days");
    }

    #[test]
    fn lines_are_as_long_as_the_terminal_lets_them() {
        let widths = [None, Some(80), Some(200), Some(0)].map(columns_of);
        assert_eq!(widths, [118, 78, 118, 60]);
    }

    #[test]
    fn text_is_wrapped_at_words() {
        assert_eq!(wrapped("aa bb cc dd", 7, 2), "aa bb\n  cc dd");
        assert_eq!(wrapped("", 7, 2), "");
    }
}
