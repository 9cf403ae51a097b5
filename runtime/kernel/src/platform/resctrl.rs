//! What resctrl can do on this machine (Documentation/filesystems/resctrl.rst; arch/x86/resctrl.rst in older kernels).

use std::path::Path;

use wca_model::platform::{BandwidthControl, BandwidthUnit, CacheControl};

use crate::files::{parse_optional, read_file};
use crate::mountinfo::mounts;
use crate::text::{hexadecimal, lines, number};
use crate::{KernelError, Roots};

/// Facts about resctrl; nothing where it is not mounted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Resctrl {
    /// The L3 cache.
    pub l3: Option<CacheControl>,
    /// The L2 cache.
    pub l2: Option<CacheControl>,
    /// Memory bandwidth.
    pub bandwidth: Option<BandwidthControl>,
    /// Groups at once, the root one included.
    pub groups: u32,
}

/// Reads the facts from the mount; `amd` says whether the processor is of that vendor.
pub(crate) fn resctrl(roots: &Roots, amd: bool) -> Result<Resctrl, KernelError> {
    let mounts = mounts(roots, &["resctrl"])?;
    // One kernel has one resctrl; of several mounts the last one lies on top.
    let Some(mount) = mounts.last() else { return Ok(Resctrl::default()) };
    let dir = roots.path(&mount.point);
    let path = dir.join("schemata");
    let schemata = read_file(&path)?;
    let reader = Reader { dir: &dir, schemata: &schemata, amd };
    let (l3, l3_groups) = reader.cache("L3")?;
    let (l2, l2_groups) = reader.cache("L2")?;
    let (bandwidth, bandwidth_groups) = reader.bandwidth(mount.has("mba_MBps"))?;
    // A group takes one class of service of every resource, so the scarcest decides; with monitoring alone there is the
    // root group only.
    let groups = [l3_groups, l2_groups, bandwidth_groups].into_iter().flatten().min().unwrap_or(1);
    Ok(Resctrl { l3, l2, bandwidth, groups })
}

struct Reader<'a> {
    dir: &'a Path,
    schemata: &'a [u8],
    amd: bool,
}

impl Reader<'_> {
    /// A cache and how many groups it has classes of service for.
    fn cache(&self, name: &str) -> Result<(Option<CacheControl>, Option<u32>), KernelError> {
        // Mounted with cdp, the cache is two resources; what is said of the code is true of the data.
        let code = format!("{name}CODE");
        let (resource, code_data) = if self.domains(&code)?.is_some() { (code.as_str(), true) } else { (name, false) };
        let Some(domains) = self.domains(resource)? else { return Ok((None, None)) };
        let Some(mask) = self.info(resource, "cbm_mask", "a mask", hexadecimal)? else { return Ok((None, None)) };
        let sparse = self.info(resource, "sparse_masks", "0 or 1", number)?;
        let control = CacheControl {
            domains,
            mask,
            min_ways: self.small(resource, "min_cbm_bits")?.unwrap_or(1),
            // Kernels before 6.7 do not say; there AMD takes masks with holes and Intel does not.
            contiguous: sparse.map_or(!self.amd, |sparse| sparse == 0),
            code_data,
        };
        Ok((Some(control), self.small(resource, "num_closids")?))
    }

    fn bandwidth(&self, in_megabytes: bool) -> Result<(Option<BandwidthControl>, Option<u32>), KernelError> {
        let Some(domains) = self.domains("MB")? else { return Ok((None, None)) };
        let unit = match (in_megabytes, self.amd) {
            (true, _) => BandwidthUnit::MegabytesPerSecond,
            (false, true) => BandwidthUnit::EighthsOfGigabytePerSecond,
            (false, false) => BandwidthUnit::Percent,
        };
        let control = BandwidthControl {
            domains,
            unit,
            min: self.small("MB", "min_bandwidth")?.unwrap_or(1),
            step: self.small("MB", "bandwidth_gran")?.unwrap_or(1),
        };
        Ok((Some(control), self.small("MB", "num_closids")?))
    }

    fn small(&self, resource: &str, file: &str) -> Result<Option<u32>, KernelError> {
        self.info(resource, file, "a number", |bytes| u32::try_from(number(bytes)?).ok())
    }

    fn info<T>(
        &self,
        resource: &str,
        file: &str,
        expected: &'static str,
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, KernelError> {
        parse_optional(&self.dir.join("info").join(resource).join(file), expected, parse)
    }

    /// The domains of a resource as the schemata of the root group lists them; none where it lists no such resource.
    fn domains(&self, resource: &str) -> Result<Option<Vec<u32>>, KernelError> {
        let malformed = |line: &[u8]| KernelError::Malformed {
            path: self.dir.join("schemata"),
            expected: "a line such as L3:0=7ff;1=7ff",
            found: crate::error::excerpt(line),
        };
        for line in lines(self.schemata) {
            let Some(rest) = line.trim_ascii_start().strip_prefix(resource.as_bytes()) else { continue };
            let Some(list) = rest.strip_prefix(b":") else { continue };
            return domain_ids(list).map(Some).ok_or_else(|| malformed(line));
        }
        Ok(None)
    }
}

/// The ids in `0=7ff;1=7ff`, in the order in which they stand.
fn domain_ids(list: &[u8]) -> Option<Vec<u32>> {
    list.split(|byte| *byte == b';')
        .map(|domain| {
            let end = domain.iter().position(|byte| *byte == b'=')?;
            u32::try_from(number(&domain[..end])?).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0=7ff;1=7ff", Some(vec![0, 1]))]
    #[case("0= 100;16= 100", Some(vec![0, 16]))]
    #[case("0", None)]
    #[case("", None)]
    #[case("x=1", None)]
    fn ids(#[case] list: &str, #[case] expected: Option<Vec<u32>>) {
        assert_eq!(domain_ids(list.as_bytes()), expected);
    }
}
