//! What is written and read in each dialect.
use super::LdapDialect;
use ldap3::{Mod, SearchEntry};
use passline_identity::{AccountStatus, Secret};
use std::collections::HashSet;
use zeroize::Zeroizing;

/// A modification with octets as values.
pub(super) type Change = Mod<Vec<u8>>;

fn replace(attribute: &str, value: Option<&[u8]>) -> Change {
    Mod::Replace(attribute.as_bytes().to_vec(), value.map(<[u8]>::to_vec).into_iter().collect::<HashSet<_>>())
}

impl LdapDialect {
    /// Attributes that tell the state of an account.
    pub(super) fn status_attributes(self) -> Vec<&'static str> {
        match self {
            Self::Standard => vec!["pwdAccountLockedTime", "pwdReset"],
            // Computed by the server with the domain's lockout duration and password age (MS-ADTS 3.1.1.4.5.17).
            Self::ActiveDirectory => vec!["msDS-User-Account-Control-Computed", "pwdLastSet"],
        }
    }

    /// The state. In the standard dialect a lockout that has run out, but was not touched since, still counts.
    pub(super) fn status(self, entry: &SearchEntry) -> AccountStatus {
        let first = |wanted: &str| {
            let mut attributes = entry.attrs.iter();
            let (_, values) = attributes.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
            values.first().map(String::as_str)
        };
        match self {
            Self::Standard => AccountStatus {
                locked: first("pwdAccountLockedTime").is_some(),
                expired: first("pwdReset").is_some_and(|value| value.eq_ignore_ascii_case("TRUE")),
            },
            Self::ActiveDirectory => {
                const LOCKOUT: i64 = 0x10;
                const PASSWORD_EXPIRED: i64 = 0x80_0000;
                let flags = first("msDS-User-Account-Control-Computed");
                let flags: i64 = flags.and_then(|flags| flags.parse().ok()).unwrap_or(0);
                AccountStatus {
                    locked: flags & LOCKOUT != 0,
                    expired: flags & PASSWORD_EXPIRED != 0 || first("pwdLastSet") == Some("0"),
                }
            }
        }
    }

    /// Clears a lockout.
    pub(super) fn unlock(self) -> Change {
        match self {
            Self::Standard => replace("pwdAccountLockedTime", None),
            Self::ActiveDirectory => replace("lockoutTime", Some(b"0")),
        }
    }

    /// Marks the password as to be changed at the next sign-in.
    pub(super) fn must_change(self) -> Change {
        match self {
            Self::Standard => replace("pwdReset", Some(b"TRUE")),
            Self::ActiveDirectory => replace("pwdLastSet", Some(b"0")),
        }
    }
}

/// The one modification that sets a password in Active Directory: UTF-16 in quotes.
pub(super) fn unicode_pwd(password: &Secret) -> Change {
    let units =
        std::iter::once(u16::from(b'"')).chain(password.expose().encode_utf16()).chain([u16::from(b'"')]);
    let octets: Zeroizing<Vec<u8>> = Zeroizing::new(units.flat_map(u16::to_le_bytes).collect());
    replace("unicodePwd", Some(&octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn entry(attributes: &[(&str, &str)]) -> SearchEntry {
        let attrs =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect();
        SearchEntry { dn: "cn=x".into(), attrs, bin_attrs: HashMap::new() }
    }

    #[test]
    fn states_are_read() {
        let (standard, ad) = (LdapDialect::Standard, LdapDialect::ActiveDirectory);
        for (dialect, attributes, locked, expired) in [
            (standard, &[][..], false, false),
            (standard, &[("pwdAccountLockedTime", "20261101000000Z")], true, false),
            (standard, &[("pwdreset", "TRUE")], false, true),
            (ad, &[("msDS-User-Account-Control-Computed", "0"), ("pwdLastSet", "133")], false, false),
            (ad, &[("msDS-User-Account-Control-Computed", "16")], true, false),
            (ad, &[("msDS-User-Account-Control-Computed", "8388608")], false, true),
            (ad, &[("pwdLastSet", "0")], false, true),
            (ad, &[("msDS-User-Account-Control-Computed", "nonsense")], false, false),
        ] {
            assert_eq!(
                dialect.status(&entry(attributes)),
                AccountStatus { locked, expired },
                "{attributes:?}"
            );
        }
    }

    #[test]
    fn active_directory_takes_utf_16_in_quotes() {
        let Mod::Replace(name, values) = unicode_pwd(&Secret::new("aß")) else { panic!("a replacement") };
        assert_eq!(name, b"unicodePwd");
        let value = values.into_iter().next().unwrap();
        assert_eq!(value, [0x22, 0, 0x61, 0, 0xdf, 0, 0x22, 0]);
    }
}
