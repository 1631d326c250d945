//! POSIX ACLs in words. As extended attributes in the kernel's encoding they are kept byte for byte; but GNU tar (`--acls`) and
//! bsdtar restore them from text, with numbers for names here.

use manifest::Xattr;

/// POSIX_ACL_XATTR_VERSION (linux/posix_acl_xattr.h).
const VERSION: [u8; 4] = 2_u32.to_le_bytes();
/// Tag and permissions of 2 bytes each, id of 4; little endian.
const ENTRY_BYTES: usize = 8;

/// The record that says what an attribute does, if that is an ACL which makes sense.
pub fn in_words(xattr: &Xattr) -> Option<(&'static str, String)> {
    let key = match &*xattr.name {
        b"system.posix_acl_access" => "SCHILY.acl.access",
        b"system.posix_acl_default" => "SCHILY.acl.default",
        _ => return None,
    };
    let entries = xattr.value.strip_prefix(&VERSION)?;
    let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
    if entries.is_empty() || !rest.is_empty() {
        return None;
    }
    let entries: Option<Vec<String>> = entries.iter().map(entry).collect();
    Some((key, entries?.join(",")))
}

fn entry(&[t0, t1, p0, p1, i0, i1, i2, i3]: &[u8; ENTRY_BYTES]) -> Option<String> {
    let id = u32::from_le_bytes([i0, i1, i2, i3]);
    let who = match u16::from_le_bytes([t0, t1]) {
        0x01 => "user:".to_owned(),
        0x02 => format!("user:{id}"),
        0x04 => "group:".to_owned(),
        0x08 => format!("group:{id}"),
        0x10 => "mask:".to_owned(),
        0x20 => "other:".to_owned(),
        _ => return None,
    };
    let may = u16::from_le_bytes([p0, p1]);
    let letter = |bit, letter| if may & bit == 0 { '-' } else { letter };
    let [read, write, execute] = [letter(4, 'r'), letter(2, 'w'), letter(1, 'x')];
    (may <= 7).then(|| format!("{who}:{read}{write}{execute}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(entries: &[(u16, u16, u32)]) -> Xattr {
        let mut value = VERSION.to_vec();
        for (tag, may, id) in entries {
            value.extend_from_slice(&tag.to_le_bytes());
            value.extend_from_slice(&may.to_le_bytes());
            value.extend_from_slice(&id.to_le_bytes());
        }
        Xattr {
            name: b"system.posix_acl_access"[..].into(),
            value: value.into(),
        }
    }

    #[test]
    fn an_acl_is_told_entry_by_entry() {
        let nobody = u32::MAX;
        let all = [
            (0x01, 7, nobody),
            (0x02, 4, 1000),
            (0x04, 5, nobody),
            (0x08, 1, 100),
            (0x10, 6, nobody),
            (0x20, 0, nobody),
        ];
        let words = "user::rwx,user:1000:r--,group::r-x,group:100:--x,mask::rw-,other::---";
        assert_eq!(in_words(&acl(&all)), Some(("SCHILY.acl.access", words.into())));
    }

    #[test]
    fn what_makes_no_sense_is_not_told() {
        assert_eq!(in_words(&acl(&[])), None);
        assert_eq!(in_words(&acl(&[(0x40, 7, 0)])), None);
        assert_eq!(in_words(&acl(&[(0x01, 8, 0)])), None);
        let mut torn = acl(&[(0x01, 7, 0)]);
        torn.value = torn.value[..9].into();
        assert_eq!(in_words(&torn), None);
        let other = Xattr {
            name: b"user.acl"[..].into(),
            ..acl(&[(0x01, 7, 0)])
        };
        assert_eq!(in_words(&other), None);
    }
}
