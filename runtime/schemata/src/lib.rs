//! Lines of schemata as people write them: `L3:0=ff;1=ff`, `MB:0=50`.
//!
//! A line has the name of a resource, then for each domain its id and a value: cache ways as a mask in hexadecimal digits, memory
//! bandwidth as a decimal number (resctrl.rst, "Schemata file rules"). Whether the machine can have these values is not judged here.

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}; a line such as `{resource}:0=…;1=…` is taken")]
pub struct MalformedRow {
    /// What.
    pub fault: Fault,
    /// Name of the resource that the line should be of.
    pub resource: String,
}

/// What can be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Another resource, or none.
    #[error("it does not begin with `{0}:`")]
    Resource(String),
    /// Nothing between two `;`.
    #[error("a domain cannot be empty")]
    EmptyDomain,
    /// No `=`.
    #[error("the separator `=` of a value is missing")]
    NoSeparator,
    /// Nothing before the `=`.
    #[error("the id of a domain cannot be empty")]
    EmptyId,
    /// Nothing behind the `=`.
    #[error("a value cannot be empty")]
    EmptyValue,
    /// The same domain again.
    #[error("the domain {0} stands there twice")]
    Twice(String),
    /// An id that is no number.
    #[error("`{0}` is no id of a domain")]
    Id(String),
    /// A value that is no mask.
    #[error("`{0}` is no mask of cache ways, in hexadecimal digits")]
    Mask(String),
    /// A value that is no number.
    #[error("`{0}` is no memory bandwidth, in decimal digits")]
    Bandwidth(String),
}

/// Domains of a line such as `L3:0=fff;16=ff` with the mask of cache ways of each, in their order. A mask may begin with `0x`.
///
/// # Errors
/// [`MalformedRow`] with the first thing that is wrong.
pub fn cache_ways(text: &str, resource: &str) -> Result<Vec<(u32, u64)>, MalformedRow> {
    let mask = |digits: &str| u64::from_str_radix(digits.strip_prefix("0x").unwrap_or(digits), 16).ok();
    values(text, resource, mask, Fault::Mask)
}

/// Domains of a line such as `MB:0=50;1=30` with the memory bandwidth of each, in their order.
///
/// # Errors
/// [`MalformedRow`] with the first thing that is wrong.
pub fn bandwidth(text: &str, resource: &str) -> Result<Vec<(u32, u32)>, MalformedRow> {
    values(text, resource, |digits| digits.parse().ok(), Fault::Bandwidth)
}

fn values<T>(
    text: &str,
    resource: &str,
    value: impl Fn(&str) -> Option<T>,
    no_value: impl Fn(String) -> Fault,
) -> Result<Vec<(u32, T)>, MalformedRow> {
    let read = || {
        let mut values: Vec<(u32, T)> = Vec::new();
        for (id, digits) in cells(text, resource)? {
            let domain = id.parse().map_err(|_| Fault::Id(id.to_owned()))?;
            if values.iter().any(|(known, _)| *known == domain) {
                return Err(Fault::Twice(id.to_owned()));
            }
            values.push((domain, value(digits).ok_or_else(|| no_value(digits.to_owned()))?));
        }
        Ok(values)
    };
    read().map_err(|fault| MalformedRow { fault, resource: resource.to_owned() })
}

/// The text before and behind each `=`.
fn cells<'a>(text: &'a str, resource: &str) -> Result<Vec<(&'a str, &'a str)>, Fault> {
    let list = text.trim().strip_prefix(resource).and_then(|rest| rest.trim_start().strip_prefix(':'));
    let list = list.ok_or_else(|| Fault::Resource(resource.to_owned()))?;
    let mut cells: Vec<(&str, &str)> = Vec::new();
    if list.trim().is_empty() {
        return Ok(cells);
    }
    for domain in list.split(';') {
        if domain.trim().is_empty() {
            return Err(Fault::EmptyDomain);
        }
        let (id, value) = domain.split_once('=').ok_or(Fault::NoSeparator)?;
        let (id, value) = (id.trim(), value.trim());
        match (id, value) {
            ("", _) => return Err(Fault::EmptyId),
            (_, "") => return Err(Fault::EmptyValue),
            _ if cells.iter().any(|(known, _)| *known == id) => return Err(Fault::Twice(id.to_owned())),
            _ => cells.push((id, value)),
        }
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Test vector 40 of the Python agent, and what it did not think of.
    #[rstest]
    #[case::v40("L3:x=", Fault::EmptyValue)]
    #[case::v40("L3:x=2;x=3", Fault::Twice("x".into()))]
    #[case::v40("L3:=2", Fault::EmptyId)]
    #[case::v40("L3:2", Fault::NoSeparator)]
    #[case::v40("L3:;", Fault::EmptyDomain)]
    #[case::v40("L3:xxx", Fault::NoSeparator)]
    #[case("L3:0=1;00=1", Fault::Twice("00".into()))]
    #[case("L3:0=1;", Fault::EmptyDomain)]
    #[case("MB:0=1", Fault::Resource("L3".into()))]
    #[case("L3CODE:0=1", Fault::Resource("L3".into()))]
    #[case("", Fault::Resource("L3".into()))]
    #[case("L3:x=2", Fault::Id("x".into()))]
    #[case("L3:-1=2", Fault::Id("-1".into()))]
    #[case("L3:0=12x", Fault::Mask("12x".into()))]
    #[case("L3:0=11111111111111111", Fault::Mask("11111111111111111".into()))]
    fn what_is_wrong(#[case] text: &str, #[case] fault: Fault) {
        assert_eq!(cache_ways(text, "L3"), Err(MalformedRow { fault, resource: "L3".into() }));
    }

    #[rstest]
    #[case("L3:", &[])]
    #[case(" L3 : 0 = F ; 16 = 0xff ", &[(0, 0xf), (16, 0xff)])]
    #[case("L3:1=0f0;0=1", &[(1, 0xf0), (0, 1)])]
    fn ways(#[case] text: &str, #[case] expected: &[(u32, u64)]) {
        assert_eq!(cache_ways(text, "L3").as_deref(), Ok(expected));
    }

    #[rstest]
    #[case("MB:0=50;1=30", Ok(vec![(0, 50), (1, 30)]))]
    #[case("MB:0=1.5", Err(Fault::Bandwidth("1.5".into())))]
    fn bandwidths(#[case] text: &str, #[case] expected: Result<Vec<(u32, u32)>, Fault>) {
        assert_eq!(bandwidth(text, "MB").map_err(|wrong| wrong.fault), expected);
    }

    #[test]
    fn it_says_what_would_be_right() {
        let wrong = cache_ways("L3:0", "L3").unwrap_err();
        assert_eq!(wrong.to_string(), "the separator `=` of a value is missing; a line such as `L3:0=…;1=…` is taken");
    }
}
