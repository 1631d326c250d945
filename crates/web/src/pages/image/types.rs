//! What the types of partitions are called that are seen most: GUIDs of a GPT, bytes of an MBR.

use crate::visitor::Visitor;

/// Types by the GUIDs of a GPT, and the texts that name them.
#[rustfmt::skip]
const GUIDS: &[(&str, &str)] = &[
    ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "efi"),
    ("21686148-6449-6e6f-744e-656564454649", "bios-boot"),
    ("e3c9e316-0b5c-4db8-817d-f92df00215ae", "windows-reserved"),
    ("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "windows-data"),
    ("de94bba4-06d1-4d40-a16a-bfd50179d6ac", "windows-recovery"),
    ("5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", "windows-dynamic"),
    ("af9b60a0-1431-4f62-bc68-3311714a69ad", "windows-dynamic"),
    ("e75caf8f-f680-4cee-afa3-b001e56efc2d", "windows-spaces"),
    ("0fc63daf-8483-4772-8e79-3d69d8477de4", "linux"),
    ("4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "linux-root"),
    ("44479540-f297-41b2-9af7-d131d5f0458a", "linux-root"),
    ("b921b045-1df0-41c3-af44-4c6f280d3fae", "linux-root"),
    ("933ac7e1-2eb4-4f13-b844-0e14e2aef915", "linux-home"),
    ("3b8f8425-20e0-4f3b-907f-1a25a76f98e8", "linux-server-data"),
    ("bc13c2ff-59e6-4262-a352-b275fd6f7172", "linux-boot"),
    ("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "linux-swap"),
    ("e6d6d379-f507-44c2-a23c-238f2a3df928", "linux-lvm"),
    ("a19d880f-05fc-4d3b-a006-743f0f84911e", "linux-raid"),
    ("ca7d7ccb-63ed-4c53-861c-1742536059cc", "linux-encrypted"),
    ("7c3457ef-0000-11aa-aa11-00306543ecac", "apple-apfs"),
    ("48465300-0000-11aa-aa11-00306543ecac", "apple-hfs"),
    ("6a898cc3-1dd2-11b2-99a6-080020736631", "zfs"),
    ("516e7cba-6ecf-11d6-8ff8-00022d09712b", "zfs"),
];

/// The same by the bytes of an MBR.
#[rustfmt::skip]
const BYTES: &[(u8, &str)] = &[
    (0x01, "fat"), (0x04, "fat"), (0x06, "fat"), (0x0e, "fat"),
    (0x0b, "fat32"), (0x0c, "fat32"),
    (0x07, "windows-data"),
    (0x05, "extended"), (0x0f, "extended"), (0x85, "extended"),
    (0x27, "windows-recovery"),
    (0x42, "windows-dynamic"),
    (0x82, "linux-swap"),
    (0x83, "linux"),
    (0x8e, "linux-lvm"),
    (0xe8, "linux-encrypted"),
    (0xfd, "linux-raid"),
    (0xaf, "apple-hfs"),
    (0xee, "protective"),
    (0xef, "efi"),
];

/// The text for a type, if it is well-known.
fn text(code: &str) -> Option<String> {
    let named = match code.strip_prefix("0x") {
        Some(digits) => {
            let byte = u8::from_str_radix(digits, 16).ok()?;
            BYTES.iter().find(|(known, _)| *known == byte)?.1
        }
        None => {
            GUIDS
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(code))?
                .1
        }
    };
    Some(format!("partition-{named}"))
}

/// What a type is called; one that is not well-known by what the table has.
pub fn name(visitor: &Visitor, code: &str) -> String {
    text(code).map_or_else(|| code.to_owned(), |text| visitor.say(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Language;

    #[test]
    fn every_type_has_its_name() {
        let guids = GUIDS.iter().map(|(_, name)| name);
        for name in guids.chain(BYTES.iter().map(|(_, name)| name)) {
            for language in Language::ALL {
                assert!(language.has(&format!("partition-{name}")), "{name}");
            }
        }
    }

    #[test]
    fn types_are_known_as_tables_write_them() {
        let found = |code: &str| text(code);
        assert_eq!(found("0x83").as_deref(), Some("partition-linux"));
        assert_eq!(
            found("C12A7328-F81F-11D2-BA4B-00A0C93EC93B").as_deref(),
            Some("partition-efi")
        );
        for unknown in ["", "0x", "0x99", "0x183", "no guid"] {
            assert_eq!(found(unknown), None, "{unknown}");
        }
    }
}
