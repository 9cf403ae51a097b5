//! What ipmctl says of modules of persistent memory
//! (<https://docs.pmem.io/ipmctl-user-guide/module-discovery>; sizes in bytes, with `-u B`).

/// A module of persistent memory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dimm {
    /// Its DimmID, as written.
    pub(super) id: String,
    /// Number of its socket.
    pub(super) socket: Option<u32>,
    /// Bytes.
    pub(super) capacity: Option<u64>,
    /// Average power that it may take.
    pub(super) watts: Option<f64>,
}

/// Modules that are used together as persistent memory (an interleave set).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Region {
    /// Their DimmIDs, as written.
    pub(super) dimms: Vec<String>,
}

/// A list of attributes, under a title `---ISetID=0x5876eeb8014a2444---`.
struct Section<'a> {
    title: (&'a str, &'a str),
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Section<'a> {
    fn attribute(&self, names: &[&str]) -> Option<&'a str> {
        self.attributes.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| *value)
    }
}

/// The modules of `ipmctl show -a -u B -dimm`.
pub(super) fn dimms(text: &str) -> Vec<Dimm> {
    let of = |section: &Section<'_>| Dimm {
        id: section.title.1.to_owned(),
        socket: section.attribute(&["SocketID"]).and_then(hexadecimal),
        capacity: section.attribute(&["Capacity"]).and_then(bytes),
        // The name until version 1, and since version 2.
        watts: section.attribute(&["AvgPowerBudget", "AvgPowerLimit"]).and_then(watts),
    };
    sections(text).iter().filter(|section| section.title.0 == "DimmID").map(of).collect()
}

/// The regions of `ipmctl show -a -u B -region`.
pub(super) fn regions(text: &str) -> Vec<Region> {
    let of = |section: &Section<'_>| {
        let dimms = section.attribute(&["DimmID"]).unwrap_or_default();
        Region { dimms: dimms.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect() }
    };
    sections(text).iter().filter(|section| section.title.0 == "ISetID").map(of).collect()
}

/// How much persistent memory is used as volatile memory, by `ipmctl show -u B -memoryresources`: an attribute until version
/// 1, a cell of a table since version 2.
pub(super) fn memory_mode(text: &str) -> Option<u64> {
    let attribute = text.lines().find_map(|line| line.trim().strip_prefix("MemoryCapacity="));
    if let Some(value) = attribute {
        return bytes(value);
    }
    let cells = |line: &'_ str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut lines = text.lines().map(cells);
    let heads = lines.find(|cells| cells.first().is_some_and(|cell| cell == "MemoryType"))?;
    let column = heads.iter().position(|head| matches!(head.as_str(), "PMemModule" | "DCPMM"))?;
    let volatile = lines.find(|cells| cells.first().is_some_and(|cell| cell == "Volatile"))?;
    bytes(volatile.get(column)?)
}

fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for line in text.lines().map(str::trim) {
        let title = line.strip_prefix("---").and_then(|rest| rest.strip_suffix("---"));
        match (title, title.unwrap_or(line).split_once('='), sections.last_mut()) {
            (Some(_), Some(title), _) => sections.push(Section { title, attributes: Vec::new() }),
            (None, Some(attribute), Some(section)) => section.attributes.push(attribute),
            _ => {}
        }
    }
    sections
}

/// `271070789632 B`; version 2 and later may write decimals.
fn bytes(text: &str) -> Option<u64> {
    let number = text.trim().strip_suffix('B')?.trim_end();
    let whole = number
        .split_once('.')
        .map_or(number, |(whole, decimals)| if decimals.bytes().all(|digit| digit == b'0') { whole } else { number });
    whole.parse().ok()
}

/// `15000 mW`.
fn watts(text: &str) -> Option<f64> {
    let milliwatts: u32 = text.trim().strip_suffix("mW")?.trim_end().parse().ok()?;
    Some(f64::from(milliwatts) / 1e3)
}

/// `0x0001`.
fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}
