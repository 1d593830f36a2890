//! From Python's syntax to that of the crate `regex`, in one pass over the pattern.

use std::iter::Peekable;
use std::str::Chars;

/// A pattern as the crate `regex` reads it.
pub struct Rewrite {
    /// The pattern.
    pub text: String,
    /// For each group of the source, the whole match first, its index.
    pub groups: Vec<usize>,
    /// The indices of the empty groups that stand for a `$`.
    pub ends: Vec<usize>,
}

struct Writer<'s> {
    rest: Peekable<Chars<'s>>,
    out: Rewrite,
    /// The groups written so far.
    count: usize,
    /// The flags here, and those to return to at each closing parenthesis.
    flags: Flags,
    outer: Vec<Flags>,
    /// What stood before, for a quantifier to follow.
    last: Last,
}

#[derive(Clone, Copy, Default)]
struct Flags {
    multi_line: bool,
    verbose: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Last {
    Nothing,
    Item,
    Quantifier,
    LazyQuantifier,
}

/// Python's `\w`: no marks, unlike that of `regex`.
const WORD: &str = r"\p{L}\p{N}_";
/// Python's `\s`: ASCII's four separators too.
const SPACE: &str = r"\s\x1c-\x1f";

impl Rewrite {
    /// Rewrites a pattern.
    ///
    /// # Errors
    /// What is wrong in it, or is only Python's.
    pub fn of(source: &str) -> Result<Rewrite, String> {
        let out = Rewrite {
            text: String::new(),
            groups: vec![0],
            ends: Vec::new(),
        };
        let mut writer = Writer {
            rest: source.chars().peekable(),
            out,
            count: 0,
            flags: Flags::default(),
            outer: Vec::new(),
            last: Last::Nothing,
        };
        while let Some(c) = writer.rest.next() {
            writer.item(c)?;
        }
        Ok(writer.out)
    }
}

impl Writer<'_> {
    fn item(&mut self, c: char) -> Result<(), String> {
        match c {
            '*' | '+' | '?' => return self.quantifier(c),
            '{' if self.counts() => return self.counted(),
            '\\' => self.escape(Place::Outside)?,
            '[' => self.class()?,
            '(' => return self.open(),
            ')' => {
                self.flags = self.outer.pop().unwrap_or_default();
                self.push(")");
            }
            '|' => {
                self.push("|");
                self.last = Last::Nothing;
                return Ok(());
            }
            '$' if !self.flags.multi_line => self.end(),
            '{' => self.push(r"\{"),
            '}' => self.push(r"\}"),
            '#' if self.flags.verbose => {
                self.rest.by_ref().find(|c| *c == '\n');
                return Ok(());
            }
            c if self.flags.verbose && c.is_ascii_whitespace() => return Ok(()),
            c => self.out.text.push(c),
        }
        self.last = Last::Item;
        Ok(())
    }

    fn push(&mut self, text: &str) {
        self.out.text.push_str(text);
    }

    /// The end, or before a last line feed; where it was is kept in an empty group.
    fn end(&mut self) {
        self.count += 1;
        self.out.ends.push(self.count);
        self.push(r"(?:()\n?\z)");
    }

    /// One after another is an error in Python, or, as `++` and `*+`, gives nothing back. `regex` reads them as nested.
    fn quantifier(&mut self, c: char) -> Result<(), String> {
        self.last = match (self.last, c) {
            (Last::Nothing, _) => return Err(format!("there is nothing for `{c}` to repeat")),
            (Last::Item, _) => Last::Quantifier,
            (Last::Quantifier, '?') => Last::LazyQuantifier,
            (Last::Quantifier, '+') => {
                return Err(only_python("a possessive quantifier, such as `*+`"));
            }
            _ => return Err(format!("`{c}` repeats what is repeated already")),
        };
        self.out.text.push(c);
        Ok(())
    }

    /// Whether `{` begins a count: in Python anything else is the character itself.
    fn counts(&self) -> bool {
        let mut ahead = self.rest.clone();
        let mut seen = String::new();
        while let Some(c) = ahead.next_if(|c| c.is_ascii_digit() || *c == ',') {
            seen.push(c);
        }
        ahead.next() == Some('}') && seen.matches(',').count() <= 1 && !seen.is_empty()
    }

    fn counted(&mut self) -> Result<(), String> {
        let inside: String = self.rest.by_ref().take_while(|c| *c != '}').collect();
        match self.last {
            Last::Item => self.last = Last::Quantifier,
            _ => return Err(format!("there is nothing for `{{{inside}}}` to repeat")),
        }
        let zero = if inside.starts_with(',') { "0" } else { "" };
        self.push(&format!("{{{zero}{inside}}}"));
        Ok(())
    }

    fn open(&mut self) -> Result<(), String> {
        self.outer.push(self.flags);
        self.last = Last::Nothing;
        if self.rest.next_if_eq(&'?').is_none() {
            self.capture("(");
            return Ok(());
        }
        let lookaround = || only_python("a lookahead or lookbehind, such as `(?=…)` or `(?<!…)`");
        match self.rest.peek() {
            Some('P') => self.named(),
            Some('=' | '!' | '<') => Err(lookaround()),
            Some('>') => Err(only_python("an atomic group, `(?>…)`")),
            Some('(') => Err(only_python("a group by condition, `(?(…)…)`")),
            Some('#') => {
                self.outer.pop();
                self.rest.by_ref().find(|c| *c == ')');
                Ok(())
            }
            _ => self.flagged(),
        }
    }

    fn capture(&mut self, open: &str) {
        self.count += 1;
        self.out.groups.push(self.count);
        self.push(open);
    }

    fn named(&mut self) -> Result<(), String> {
        self.rest.next();
        match self.rest.peek() {
            Some('<') => self.capture("(?P"),
            _ => return Err(only_python("a reference to a group, `(?P=…)`")),
        }
        let name: String = self.rest.by_ref().take_while(|c| *c != '>').collect();
        self.push(&format!("{name}>"));
        Ok(())
    }

    /// `(?i)`, `(?m-i:`; verbose patterns are written without their spaces, so that `x` need not be set.
    fn flagged(&mut self) -> Result<(), String> {
        let (mut on, mut kept) = (true, String::new());
        loop {
            match self.rest.next() {
                Some('-') => (on, kept) = (false, format!("{kept}-")),
                Some('m') => (self.flags.multi_line, kept) = (on, format!("{kept}m")),
                Some('x') => self.flags.verbose = on,
                Some(c @ ('i' | 's' | 'u')) => kept.push(c),
                Some('a' | 'L') => return Err(only_python("the flag `a` or `L`")),
                Some(':') => break self.push(&format!("(?{}:", kept.trim_end_matches('-'))),
                Some(')') => {
                    self.outer.pop();
                    if !kept.is_empty() {
                        self.push(&format!("(?{kept})"));
                    }
                    break;
                }
                _ => return Err("what follows `(?` is no group and no flag".to_owned()),
            }
        }
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        self.push("[");
        if self.rest.next_if_eq(&'^').is_some() {
            self.push("^");
        }
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or("a `[` is not closed")?;
            match c {
                ']' if !first => break self.push("]"),
                '\\' => self.escape(Place::Class)?,
                // A range's hyphen stays; doubled signs are set operations to `regex`.
                '-' if self.rest.peek() != Some(&'-') && !first => self.push("-"),
                '[' | ']' | '&' | '~' | '-' => self.push(&format!("\\{c}")),
                c => self.out.text.push(c),
            }
            first = false;
        }
        Ok(())
    }

    fn escape(&mut self, place: Place) -> Result<(), String> {
        let c = self.rest.next().ok_or("it ends in a backslash")?;
        let text = match (c, place) {
            ('w', Place::Outside) => format!("[{WORD}]"),
            ('w', Place::Class) => WORD.to_owned(),
            ('W', _) => format!("[^{WORD}]"),
            ('s', Place::Outside) => format!("[{SPACE}]"),
            ('s', Place::Class) => SPACE.to_owned(),
            ('S', _) => format!("[^{SPACE}]"),
            ('b', Place::Class) => r"\x08".to_owned(),
            ('Z', Place::Outside) => r"\z".to_owned(),
            ('A' | 'b' | 'B', Place::Outside) => format!("\\{c}"),
            ('d' | 'D' | 'a' | 'f' | 'n' | 'r' | 't' | 'v' | 'x' | 'u' | 'U', _) => {
                format!("\\{c}")
            }
            ('1'..='9', Place::Outside) => {
                return Err(only_python("a reference to a group, such as `\\1`"));
            }
            ('0', _) => r"\x00".to_owned(),
            (c, _) if c.is_ascii_alphanumeric() => return Err(format!("`\\{c}` means nothing")),
            (c, _) => regex::escape(c.encode_utf8(&mut [0; 4])),
        };
        self.push(&text);
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Outside,
    Class,
}

fn only_python(what: &str) -> String {
    format!("{what} needs backtracking, which the patterns here do not have; write it without")
}
