//! What resctrl can do (Documentation/filesystems/resctrl.rst).

use std::path::{Path, PathBuf};

use super::look::{Silent, available, lacking, look, silent};
use super::{Feature, Reason};
use crate::Roots;
use crate::error::excerpt;
use crate::mountinfo::mounts;
use crate::text::{hexadecimal, number};

const NAMES: [&str; 5] = ["resctrl", "resctrl_monitoring", "resctrl_l3_cat", "resctrl_l2_cat", "resctrl_mba"];
const FILESYSTEMS: &str = "/proc/filesystems";
const NO_HARDWARE: &str = "none: this processor does not have it, or the kernel's option rdt= has switched it off";

pub(super) fn features(roots: &Roots) -> Vec<Feature> {
    let point = match mount_point(roots) {
        Ok(point) => point,
        Err(why) => return NAMES.iter().map(|name| lacking(name, why.reason, why.found.clone(), why.remedy)).collect(),
    };
    let schemata = point.join("schemata");
    let resctrl = match look(roots, &schemata) {
        Ok(_) => available("resctrl", point.display().to_string()),
        Err(why) => silent("resctrl", why, "mount it anew"),
    };
    let is_mask = |bytes: &[u8]| hexadecimal(bytes).is_some();
    let is_number = |bytes: &[u8]| number(bytes).is_some();
    vec![
        resctrl,
        info("resctrl_monitoring", roots, &point, &["L3_MON/mon_features"], |bytes| !bytes.trim_ascii().is_empty()),
        info("resctrl_l3_cat", roots, &point, &["L3/cbm_mask", "L3CODE/cbm_mask"], is_mask),
        info("resctrl_l2_cat", roots, &point, &["L2/cbm_mask", "L2CODE/cbm_mask"], is_mask),
        info("resctrl_mba", roots, &point, &["MB/min_bandwidth"], is_number),
    ]
}

struct NotMounted {
    reason: Reason,
    found: String,
    remedy: &'static str,
}

/// Where it is mounted, or why it is not.
fn mount_point(roots: &Roots) -> Result<PathBuf, NotMounted> {
    let mounts = mounts(roots, &["resctrl"]).map_err(|error| NotMounted {
        reason: Reason::Unreadable,
        found: error.to_string(),
        remedy: "mount /proc",
    })?;
    if let Some(mount) = mounts.into_iter().next_back() {
        return Ok(mount.point);
    }
    let knows = look(roots, FILESYSTEMS).is_ok_and(|bytes| {
        bytes.split(|byte| *byte == b'\n').any(|line| line.trim_ascii_start().ends_with(b"\tresctrl"))
    });
    Err(if knows {
        NotMounted {
            reason: Reason::Off,
            found: format!("/proc/self/mountinfo: it is not mounted; {FILESYSTEMS} has it"),
            remedy: "mount -t resctrl resctrl /sys/fs/resctrl",
        }
    } else {
        NotMounted {
            reason: Reason::Missing,
            found: format!("{FILESYSTEMS}: no resctrl"),
            remedy: "a processor with Intel RDT or AMD QoS, and a kernel with CONFIG_X86_CPU_RESCTRL; few virtual machines have it",
        }
    })
}

/// A feature of which one of these files of the folder info says what it can do.
fn info(name: &'static str, roots: &Roots, point: &Path, files: &[&str], is_right: fn(&[u8]) -> bool) -> Feature {
    let mut first: Option<Silent> = None;
    for file in files {
        let path = point.join("info").join(file);
        match look(roots, &path) {
            Ok(bytes) if is_right(&bytes) => {
                let words: Vec<_> =
                    bytes.trim_ascii().split(u8::is_ascii_whitespace).map(String::from_utf8_lossy).collect();
                return available(name, format!("{}: {}", path.display(), words.join(" ")));
            }
            Ok(bytes) => {
                let found = format!("{}: {}", path.display(), excerpt(bytes.trim_ascii()));
                return lacking(
                    name,
                    Reason::Malformed,
                    found,
                    "tell us of this kernel: the file should say something else",
                );
            }
            Err(why) => first = first.or(Some(why)),
        }
    }
    match first {
        Some(why) => silent(name, why, NO_HARDWARE),
        None => lacking(name, Reason::Missing, "", NO_HARDWARE),
    }
}
