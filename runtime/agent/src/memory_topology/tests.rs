use rstest::rstest;

use super::*;

/// The SMBIOS table of a virtual machine (QEMU 10.0, SeaBIOS 1.16.2) with 1 GiB of memory, from /sys/firmware/dmi/tables/DMI.
const QEMU: &[u8] = include_bytes!("qemu.dmi");

/// A memory device by the specification: the formatted area with the given fields, as offset and bytes, and two strings.
fn device(length: u8, fields: &[(usize, &[u8])]) -> Vec<u8> {
    structure(17, length, fields)
}

fn structure(kind: u8, length: u8, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; usize::from(length)];
    (bytes[0], bytes[1]) = (kind, length);
    for (at, field) in fields {
        bytes[*at..at + field.len()].copy_from_slice(field);
    }
    bytes.extend_from_slice(b"CPU1_DIMM_A1\0NODE 1\0\0");
    bytes
}

/// A module of DDR4 or so: size in MiB or as the two bytes have it, type, type detail, speed.
fn ram(size: u16, memory_type: u8, speed: u16) -> Vec<u8> {
    // Total width, data width; synchronous and registered.
    let fields: [(usize, &[u8]); 5] = [
        (0x08, &[72, 0, 64, 0]),
        (0x0c, &size.to_le_bytes()),
        (0x12, &[memory_type]),
        (0x13, &[0x80, 0x20]),
        (0x15, &speed.to_le_bytes()),
    ];
    device(0x28, &fields)
}

const DDR4: u8 = 0x1a;
const DDR5: u8 = 0x22;

/// A module of persistent memory of 252.4 GiB, as large ones are: the size stands in the extended field.
fn optane() -> Vec<u8> {
    let fields: [(usize, &[u8]); 6] = [
        (0x08, &[72, 0, 64, 0]),
        (0x0c, &0x7fffu16.to_le_bytes()),
        (0x12, &[0x1f]),
        // Synchronous and non-volatile.
        (0x13, &[0x80, 0x10]),
        (0x1c, &258_496u32.to_le_bytes()),
        (0x28, &[7]),
    ];
    device(0x54, &fields)
}

fn table(structures: &[Vec<u8>]) -> Vec<u8> {
    [structures.concat(), structure(127, 4, &[])].concat()
}

fn of_table(table: Vec<u8>) -> Modules {
    Modules::of(&MemoryTopology { smbios: Ok(table), ipmctl: ToolAnswer::NotInstalled })
}

/// Names of metrics, without the common beginning, with the value of the label, and values.
fn values(modules: &Modules) -> Vec<(String, f64)> {
    let name = |sample: &Sample| {
        let label = sample.labels.iter().map(|(_, value)| format!(" {value}")).collect::<String>();
        format!("{}{label}", sample.name.strip_prefix("platform_").unwrap())
    };
    modules.samples.iter().map(|sample| (name(sample), sample.value)).collect()
}

fn expected(values: &[(&str, f64)]) -> Vec<(String, f64)> {
    values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

const GIB: f64 = 1_073_741_824.0;

#[test]
fn the_module_of_a_virtual_machine_has_no_speed() {
    let modules = of_table(QEMU.to_vec());
    let values = values(&modules);
    let of = [("dimm_count ram", 1.0), ("dimm_total_size_bytes ram", GIB), ("dimm_count nvm", 0.0)];
    assert_eq!(values, expected(&[&of[..], &[("dimm_total_size_bytes nvm", 0.0)]].concat()));
    let note = "platform_dimm_speed_bytes_per_second is not measured here: a memory module does not say its speed";
    assert_eq!(modules.notes, [note]);
}

/// Twelve modules of 16 GiB in twenty-four slots; and twelve of 32 GiB beside four of persistent memory.
#[rstest]
#[case::ram_alone(16_384, 0, [12.0, 192.0 * GIB, 0.0, 0.0])]
#[case::with_persistent_memory(32_768, 4, [12.0, 384.0 * GIB, 4.0, 4.0 * 258_496.0 * 1_048_576.0])]
fn v76_modules_of_two_kinds(#[case] mebibytes: u32, #[case] persistent: usize, #[case] of: [f64; 4]) {
    let module = if mebibytes < 0x7fff {
        ram(u16::try_from(mebibytes).unwrap(), DDR4, 2_666)
    } else {
        let mut module = ram(0x7fff, DDR4, 2_666);
        module[0x1c..0x20].copy_from_slice(&mebibytes.to_le_bytes());
        module
    };
    let other = [structure(0, 0x18, &[]), structure(16, 0x17, &[])];
    let mut structures = other.to_vec();
    structures.extend(std::iter::repeat_n(module, 12));
    structures.extend(std::iter::repeat_n(ram(0, 2, 0), 12));
    structures.extend(std::iter::repeat_n(optane(), persistent));
    let modules = of_table(table(&structures));
    let names = ["dimm_count ram", "dimm_total_size_bytes ram", "dimm_count nvm", "dimm_total_size_bytes nvm"];
    let found = values(&modules);
    assert_eq!(found[..4], expected(&names.iter().copied().zip(of).collect::<Vec<_>>()));
    let (name, speed) = &found[4];
    assert_eq!((name.as_str(), found.len()), ("dimm_speed_bytes_per_second", 5));
    assert!((speed - 12.0 * 21.333_33e9).abs() < 1e6, "{speed}");
    assert_eq!(modules.notes.len(), usize::from(persistent > 0), "ipmctl is missed: {:?}", modules.notes);
}

/// The speeds of the Python agent's table, and those that it did not have.
#[rstest]
#[case(DDR4, 1_600, 12.8e9)]
#[case(DDR4, 1_866, 14.933_33e9)]
#[case(DDR4, 1_867, 14.933_33e9)]
#[case(DDR4, 2_133, 17.066_67e9)]
#[case(DDR4, 2_400, 19.2e9)]
#[case(DDR4, 2_666, 21.333_33e9)]
#[case(DDR4, 2_667, 21.333_33e9)]
#[case(DDR4, 2_933, 23.466_67e9)]
#[case(DDR4, 3_200, 25.6e9)]
#[case(DDR5, 4_800, 38.4e9)]
#[case(DDR5, 5_600, 44.8e9)]
#[case(0x18, 1_234, 9.872e9)]
fn speed_of_a_module(#[case] memory_type: u8, #[case] speed: u16, #[case] bytes: f64) {
    let modules = of_table(table(&[ram(8_192, memory_type, speed)]));
    let (_, found) = values(&modules).pop().unwrap();
    assert!((found - bytes).abs() < 1e5, "{found}");
}

/// Sizes and speeds in all their forms, and what is left out.
#[rstest]
#[case::kibibytes(ram(0x8200, DDR4, 2_400), &[("dimm_count ram", 1.0), ("dimm_total_size_bytes ram", 524_288.0)])]
#[case::unknown_size(ram(0xffff, DDR4, 2_400), &[("dimm_count ram", 1.0)])]
#[case::an_empty_slot(ram(0, DDR4, 2_400), &[])]
#[case::flash_of_the_firmware(ram(16, 0x09, 0), &[])]
#[case::rom(ram(16, 0x06, 0), &[])]
#[case::firmware_of_version_2_1(device(0x15, &[(0x0c, &[0, 1]), (0x12, &[0x0f])]), &[("dimm_count ram", 1.0), ("dimm_total_size_bytes ram", 268_435_456.0)])]
#[case::too_short_to_say_its_size(device(0x0d, &[]), &[])]
#[case::too_short_for_the_extended_size(device(0x17, &[(0x0c, &[0xff, 0x7f]), (0x12, &[DDR4])]), &[])]
#[case::nvdimm_by_its_technology(device(0x54, &[(0x0c, &[0, 0x40]), (0x12, &[DDR4]), (0x28, &[4])]), &[("dimm_count ram", 0.0), ("dimm_total_size_bytes ram", 0.0)])]
fn forms_of_a_module(#[case] device: Vec<u8>, #[case] of_ram: &[(&str, f64)]) {
    let modules = of_table(table(&[device]));
    let found: Vec<_> = values(&modules).into_iter().filter(|(name, _)| name.ends_with(" ram")).collect();
    assert_eq!(found, expected(of_ram), "{:?}", modules.notes);
    assert_eq!(modules.samples.is_empty(), of_ram.is_empty());
}

#[test]
fn a_speed_beyond_sixteen_bits_stands_in_the_extended_field() {
    let fields: [(usize, &[u8]); 4] =
        [(0x0c, &[0, 64]), (0x12, &[DDR5]), (0x15, &[0xff, 0xff]), (0x54, &70_000u32.to_le_bytes())];
    let modules = of_table(table(&[device(0x5c, &fields)]));
    assert_eq!(values(&modules).pop(), Some(("dimm_speed_bytes_per_second".to_owned(), 560e9)));
}

/// Wherever a table is cut off or garbled, nothing panics; one that is cut off within a structure is told of.
#[test]
fn any_table_is_understood_or_refused() {
    let whole = table(&[ram(16_384, DDR4, 2_666), optane(), ram(0x7fff, DDR5, 0xffff)]);
    for table in [QEMU.to_vec(), whole] {
        let count = smbios::structures(&table).unwrap().len();
        let mut understood = 0;
        for end in 0..table.len() {
            let cut = of_table(table[..end].to_vec());
            understood += usize::from(smbios::structures(&table[..end]).is_ok());
            assert!(!cut.notes.is_empty() || smbios::structures(&table[..end]).is_ok(), "{end}");
        }
        assert_eq!(understood, count, "once at the begin of each structure");
        for at in 0..table.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut garbled = table.clone();
                garbled[at] = byte;
                of_table(garbled);
            }
        }
    }
}

#[rstest]
#[case::missing(Err("/sys/firmware/dmi/tables/DMI: No such file or directory".into()), "No such file or directory; WCA reads it as root")]
#[case::empty(Ok(vec![]), "the SMBIOS table describes no memory module")]
#[case::of_nothing(Ok(table(&[])), "the SMBIOS table describes no memory module")]
#[case::no_table(Ok(b"no table at all".to_vec()), "the SMBIOS table cannot be understood: no structure at byte 0")]
#[case::a_structure_without_a_length(Ok([table(&[ram(1, DDR4, 1)])[..0x28 + 21].to_vec(), vec![17, 0, 0, 0]].concat()), "no structure at byte")]
fn no_table(#[case] smbios: Result<Vec<u8>, String>, #[case] why: &str) {
    let modules = Modules::of(&MemoryTopology { smbios, ipmctl: ToolAnswer::NotInstalled });
    assert!(modules.samples.is_empty());
    let [note] = modules.notes.as_slice() else { panic!("{:?}", modules.notes) };
    assert!(note.contains(why), "{note}");
}

fn said(resources: &str, dimms: &str, regions: &str) -> Modules {
    let ipmctl = Ipmctl { resources: Ok(resources.into()), dimms: Ok(dimms.into()), regions: Ok(regions.into()) };
    Modules::of(&MemoryTopology { smbios: Ok(table(&[])), ipmctl: ToolAnswer::Said(ipmctl) })
}

/// Two modules in each of two sockets.
fn dimms(capacity: u64, attribute: &str, milliwatts: u32) -> String {
    let dimm = |socket: u32, dimm: &str| {
        format!(
            "---DimmID={dimm}---\n   Capacity={capacity} B\n   MemoryCapacity=0 B\n   SocketID=0x{socket:04x}\n   \
             {attribute}={milliwatts} mW\n   FWVersion=01.02.00.5355\n"
        )
    };
    [dimm(0, "0x0001"), dimm(0, "0x0101"), dimm(1, "0x1001"), dimm(1, "0x1101")].concat()
}

const REGIONS: &str = "---ISetID=0x5876eeb8014a2444---\n   SocketID=0x0000\n   PersistentMemoryType=AppDirect\n   \
    Capacity=541165879296 B\n   FreeCapacity=0 B\n   HealthState=Healthy\n   DimmID=0x0001, 0x0101\n";

const RESOURCES: &str = "\n MemoryType   | DDR            | PMemModule      | Total\n\
    ==========================================\n Volatile     | 0 B            | 2173253451776 B | 2173253451776 B\n \
    AppDirect    | -              | 0 B             | 0 B\n Cache        | 549755813888 B | -               | 549755813888 B\n";

/// 15 W, two modules, and their size.
#[rstest]
#[case(20_000_000_000, 13.6e9, 3.7e9)]
#[case(201_000_000_000, 13.6e9, 4.6e9)]
#[case(500_000_000_000, 10.6e9, 3.78e9)]
fn v74_bandwidth_of_persistent_memory(#[case] capacity: u64, #[case] read: f64, #[case] write: f64) {
    let modules = said("Capacity=0 B\nMemoryCapacity=0 B\n", &dimms(capacity, "AvgPowerBudget", 15_000), "");
    let found = values(&modules);
    let bandwidth: Vec<_> = found.iter().filter(|(name, _)| name.starts_with("nvdimm")).cloned().collect();
    let name = |way: &str, socket: u32| format!("nvdimm_{way}_bandwidth_bytes_per_second {socket}");
    let of = [(name("read", 0), read), (name("write", 0), write), (name("read", 1), read), (name("write", 1), write)];
    assert_eq!(bandwidth, of);
}

#[test]
fn persistent_memory_of_two_versions_of_the_tool() {
    for (resources, attribute, mode) in [
        ("Capacity=3 B\nMemoryCapacity=2173253451776 B\n", "AvgPowerBudget", 2_173_253_451_776.0),
        (RESOURCES, "AvgPowerLimit", 2_173_253_451_776.0),
        ("MemoryType | DDR | DCPMM\n Volatile | 1.000 B | 7.000 B\n", "AvgPowerLimit", 7.0),
    ] {
        let modules = said(resources, &dimms(271_070_789_632, attribute, 18_000), REGIONS);
        let of = [
            ("mem_mode_size_bytes", mode),
            ("capacity_per_nvdimm_bytes", 271_070_789_632.0),
            ("avg_power_per_nvdimm_watts", 18.0),
            // The other socket has no region.
            ("nvdimm_read_bandwidth_bytes_per_second 0", 16.6e9),
            ("nvdimm_write_bandwidth_bytes_per_second 0", 6e9),
        ];
        assert_eq!(values(&modules), expected(&of));
        assert_eq!(modules.notes.len(), 1, "{:?}", modules.notes);
    }
}

/// No figure is published for every size at every power: that is no bandwidth of 0.
#[test]
fn a_bandwidth_without_a_figure_is_absent() {
    let modules = said(RESOURCES, &dimms(270_000_000_000, "AvgPowerLimit", 10_000), "");
    assert!(values(&modules).iter().all(|(name, _)| !name.starts_with("nvdimm")));
    assert!(modules.notes.iter().any(|note| note.contains("no figure is published")), "{:?}", modules.notes);
}

#[rstest]
#[case::no_modules("MemoryCapacity=0 B\n", "", "", &[("mem_mode_size_bytes", 0.0)])]
#[case::something_else("Syntax Error", "Error: No manageable DIMMs", "\u{0}", &[])]
#[case::halves("MemoryCapacity=\n", "---DimmID=---\nCapacity=x B\nSocketID=1\n===\n---\n", "---ISetID---\nDimmID=,\n", &[])]
#[case::other_units("MemoryCapacity=1.5 B\n", "---DimmID=0x1---\n Capacity=1 GiB\n AvgPowerLimit=N/A\n", "", &[])]
fn what_the_tool_does_not_say_is_absent(
    #[case] resources: &str,
    #[case] dimms: &str,
    #[case] regions: &str,
    #[case] of: &[(&str, f64)],
) {
    assert_eq!(values(&said(resources, dimms, regions)), expected(of));
}

#[test]
fn a_tool_that_fails_is_told_of() {
    let failed = || Err("ipmctl has not ended within 10 s".to_owned());
    let ipmctl = Ipmctl { resources: failed(), dimms: failed(), regions: failed() };
    let modules = Modules::of(&MemoryTopology { smbios: Ok(QEMU.to_vec()), ipmctl: ToolAnswer::Said(ipmctl) });
    let told = modules.notes.iter().filter(|note| note.contains("within 10 s")).count();
    assert_eq!((told, modules.samples.len()), (2, 4));
}
