//! What patterns find, and what is refused.

use super::*;

#[track_caller]
fn found(pattern: &str, text: &str, expect: Option<&[Option<&str>]>) {
    let pattern = Pattern::new("pattern", pattern, Case::Minded).expect("it is one");
    assert_eq!(pattern.first(text).as_deref(), expect);
}

#[test]
fn patterns_mean_what_they_mean_in_python() {
    found(r"ANSWER: (\w+)$", "ANSWER: yes\n", Some(&[Some("yes")]));
    found(r"\w+$", "yes\n", Some(&[Some("yes")]));
    found(r"\w+$", "yes\n\n", None);
    found(r"(?m)^(\w)$", "ab\nc\nde", Some(&[Some("c")]));
    found(r"(a)|(b)", "b", Some(&[None, Some("b")]));
    found(r"end\Z", "end", Some(&[Some("end")]));
    found(r"\\boxed{(\d+)}", r"\boxed{42}", Some(&[Some("42")]));
    found(r"a{,2}b", "aab", Some(&[Some("aab")]));
    found(r"[[&&x]+", "a[&&", Some(&[Some("[&&")]));
    found(r"[]-]+", "a-]", Some(&[Some("-]")]));
    found(r"[\w.-]+", "!a.b-c!", Some(&[Some("a.b-c")]));
    found(r"<(\S+)\>", "<x>", Some(&[Some("x")]));
    found("(?x) a b # c$\n (d)", "abd", Some(&[Some("d")]));
    found(r"(?:x(?#no group)y)(z)", "xyz", Some(&[Some("z")]));
    found(r"(?P<n>\d+) of", "3 of", Some(&[Some("3")]));
    found(r"(?i:YES) (NO)", "yes NO", Some(&[Some("NO")]));
    found(r"\w+", "नि", Some(&[Some("न")]));
    found(r"a\sb", "a\u{1c}b", Some(&[Some("a\u{1c}b")]));
    found(r"(x$|y)", "x\n", Some(&[Some("x")]));
}

#[test]
fn what_only_python_has_is_refused_by_name() {
    let check = |pattern: &str, expect: &str| {
        let refusal = Pattern::new("pattern", pattern, Case::Ignored).expect_err(pattern);
        assert!(matches!(refusal, Refusal::BadParams(_)), "{refusal:?}");
        assert!(
            refusal
                .message()
                .starts_with(&format!("`pattern`: {expect}")),
            "{}",
            refusal.message()
        );
    };
    check(r"a(?=b)", "a lookahead or lookbehind");
    check(r"(?<!b)a", "a lookahead or lookbehind");
    check(r"(a)\1", "a reference to a group");
    check(r"(?P<x>a)(?P=x)", "a reference to a group");
    check(r"(?>a)", "an atomic group");
    check(r"(a)?(?(1)b)", "a group by condition");
    check(r"a*+", "a possessive quantifier");
    check(r"a**", "`*` repeats what is repeated already");
    check(r"+a", "there is nothing for `+` to repeat");
    check(r"(a", "unclosed group");
    check(r"[a", "a `[` is not closed");
    check(r"\y", "`\\y` means nothing");
    check(r"(?a)\w", "the flag `a` or `L`");
    check(r"\w{1000}{1000}", "there is nothing for `{1000}` to repeat");
    check(r"(\w{1000}){1000}", "it is too large when compiled");
}
