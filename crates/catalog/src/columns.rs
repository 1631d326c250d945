//! How Rust values lie in columns: enumerations as words, counts as 63-bit integers.

use rusqlite::Row;
use rusqlite::types::FromSql;

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

/// The columns of a row, one after the other: to find them by name would cost more than all else where rows are many.
pub(crate) struct Columns<'a, 'b> {
    row: &'a Row<'b>,
    next: usize,
}

impl<'a, 'b> Columns<'a, 'b> {
    /// Begins with the first.
    pub fn of(row: &'a Row<'b>) -> Self {
        Self { row, next: 0 }
    }

    /// Reads the next one.
    pub fn read<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// Reads the next one, a count; a negative one is damage.
    pub fn count(&mut self) -> rusqlite::Result<u64> {
        self.optional_count()?
            .ok_or_else(|| damaged(self.row, self.next - 1))
    }

    /// Reads the next one, a count that may be absent; a negative one is damage.
    pub fn optional_count(&mut self) -> rusqlite::Result<Option<u64>> {
        let value: Option<i64> = self.read()?;
        value
            .map(|value| u64::try_from(value).map_err(|_| damaged(self.row, self.next - 1)))
            .transpose()
    }
}

/// Checks that a count fits a column.
pub(crate) fn stored(what: &'static str, value: u64) -> Result<i64, Failure> {
    i64::try_from(value).map_err(|_| Error::TooLarge { what, value }.into())
}

/// Reads a count; a negative one is damage.
pub(crate) fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    let next = row.as_ref().column_index(column)?;
    Columns { row, next }.count()
}

fn damaged(row: &Row<'_>, column: usize) -> rusqlite::Error {
    let name = row.as_ref().column_name(column).unwrap_or_default().to_owned();
    rusqlite::Error::InvalidColumnType(column, name, rusqlite::types::Type::Integer)
}
