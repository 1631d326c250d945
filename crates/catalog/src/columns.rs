//! How Rust values lie in columns: enumerations as words, counts as 63-bit integers.

use rusqlite::Row;

use crate::error::{Error, Failure};

/// Declares an enumeration that is stored, shown and parsed as the words given.
macro_rules! word_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// All there are.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word that stands for it in the database and towards people.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(
                value: rusqlite::types::ValueRef<'_>,
            ) -> rusqlite::types::FromSqlResult<Self> {
                match value.as_str()? {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(rusqlite::types::FromSqlError::InvalidType),
                }
            }
        }
    };
}
pub(crate) use word_enum;

/// Checks that a count fits a column.
pub(crate) fn stored(what: &'static str, value: u64) -> Result<i64, Failure> {
    i64::try_from(value).map_err(|_| Error::TooLarge { what, value }.into())
}

/// Reads a count; a negative one is damage.
pub(crate) fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    optional_count(row, column)?.ok_or_else(|| damaged(row, column))
}

/// Reads a count that may be absent; a negative one is damage.
pub(crate) fn optional_count(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    value
        .map(|value| u64::try_from(value).map_err(|_| damaged(row, column)))
        .transpose()
}

fn damaged(row: &Row<'_>, column: &str) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or(0);
    rusqlite::Error::InvalidColumnType(index, column.to_owned(), rusqlite::types::Type::Integer)
}
