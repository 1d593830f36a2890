//! The names of tool calls. Many models of this API give their calls none, and some want a signature back with each call,
//! for which the contract has no place of its own: `[ID]["~" SIGNATURE]`, an id of ours beginning with `#`.

/// A call's name, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct CallId<'a> {
    /// The name that the API gave the call.
    pub own: Option<&'a str>,
    /// What the API wants back with the call.
    pub signature: Option<&'a str>,
}

impl CallId<'_> {
    /// A name for the call at this place of an answer.
    pub fn write(at: usize, own: Option<&str>, signature: Option<&str>) -> String {
        let name = own
            .filter(|id| !id.is_empty())
            .map_or_else(|| format!("#{at}"), str::to_owned);
        match signature {
            Some(signature) => format!("{name}~{signature}"),
            None => name,
        }
    }

    /// Takes a name apart.
    pub fn read(id: &str) -> CallId<'_> {
        let (name, signature) = match id.split_once('~') {
            Some((name, signature)) => (name, Some(signature)),
            None => (id, None),
        };
        CallId {
            own: Some(name).filter(|name| !name.is_empty() && !name.starts_with('#')),
            signature,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_api_gave_comes_back_to_it_and_nothing_else() {
        let check = |own: Option<&str>, signature: Option<&str>, id: &str| {
            assert_eq!(CallId::write(2, own, signature), id);
            assert_eq!(CallId::read(id), CallId { own, signature });
        };
        check(Some("call-1"), None, "call-1");
        check(None, None, "#2");
        check(None, Some("c2ln=="), "#2~c2ln==");
        check(Some("call-1"), Some("c2ln"), "call-1~c2ln");
    }
}
