//! The handshake: client and server agree on what is served and how. It begins with flags, then the client names options, until one
//! leads to the transmission.
//!
//! ```text
//! option                      reply
//! 0   8  "IHAVEOPT"           0   8  magic
//! 8   4  option               8   4  option
//! 12  4  length               12  4  type
//! 16     data                 16  4  length
//!                             20     data
//! ```

mod contexts;

use std::sync::Arc;

use crate::channel::Channel;
use crate::protocol::{
    INIT_MAGIC, MAX_REQUEST_BYTES, MIN_BLOCK_BYTES, OPTION_MAGIC, OPTION_REPLY_MAGIC, PREFERRED_BLOCK_BYTES,
    handshake_flags, info, option, reply, transmission_flags,
};
use crate::server::Settings;
use crate::{Access, Error, Export, Result};

/// The data of an option: a name of at most 4096 bytes and some requests.
const MAX_OPTION_BYTES: u32 = 16 << 10;
/// Who asks more than that wants nothing.
const MAX_OPTIONS: usize = 256;

/// What was agreed on.
pub(crate) struct Agreed {
    pub export: Arc<dyn Export>,
    pub has_structured_replies: bool,
    /// Whether the client may ask which ranges are holes.
    pub has_allocation: bool,
}

struct Handshake<'a> {
    channel: &'a mut Channel,
    settings: &'a Settings,
    has_no_zeroes: bool,
    has_structured_replies: bool,
    /// The export whose allocation was asked for.
    allocation_of: Option<String>,
}

/// Goes through the handshake; `None` where the client is content without a transmission.
pub(crate) fn agree(channel: &mut Channel, settings: &Settings) -> Result<Option<Agreed>> {
    let flags = handshake_flags::FIXED_NEWSTYLE | handshake_flags::NO_ZEROES;
    let mut hello = INIT_MAGIC.to_be_bytes().to_vec();
    hello.extend(OPTION_MAGIC.to_be_bytes());
    hello.extend(flags.to_be_bytes());
    channel.write(&hello)?;
    let client_flags = channel.u32()?;
    if client_flags & !u32::from(flags) != 0 {
        return Err(Error::Protocol("it knows flags that it was not offered"));
    }
    if client_flags & u32::from(handshake_flags::FIXED_NEWSTYLE) == 0 {
        return Err(Error::Protocol("it does not know the fixed newstyle handshake"));
    }
    let mut handshake = Handshake {
        channel,
        settings,
        has_no_zeroes: client_flags & u32::from(handshake_flags::NO_ZEROES) != 0,
        has_structured_replies: false,
        allocation_of: None,
    };
    for _ in 0..MAX_OPTIONS {
        match handshake.option()? {
            Next::Option => {}
            Next::Transmission(agreed) => return Ok(Some(agreed)),
            Next::End => return Ok(None),
        }
    }
    Err(Error::Protocol("it does not come to an end with its options"))
}

/// What follows an option.
enum Next {
    Option,
    Transmission(Agreed),
    End,
}

impl Handshake<'_> {
    fn option(&mut self) -> Result<Next> {
        if !self.channel.has_more()? {
            return Ok(Next::End);
        }
        if self.channel.u64()? != OPTION_MAGIC {
            return Err(Error::Protocol("an option has no signature"));
        }
        let (option, len) = (self.channel.u32()?, self.channel.u32()?);
        if len > MAX_OPTION_BYTES {
            return Err(Error::TooLarge {
                len_bytes: len.into(),
                limit_bytes: MAX_OPTION_BYTES.into(),
            });
        }
        let mut data = vec![0; len as usize];
        self.channel.read(&mut data)?;
        let lacks_tls = self.settings.tls.is_some() && !self.channel.is_tls();
        match option {
            option::ABORT => {
                // It need not wait for that.
                let _ = self.reply(option, reply::ACK, &[]);
                return Ok(Next::End);
            }
            option::STARTTLS => self.start_tls(&data)?,
            // That has no way to say no.
            option::EXPORT_NAME if lacks_tls => return Err(Error::TlsRequired),
            _ if lacks_tls => self.reply(option, reply::ERR_TLS_REQD, b"TLS is required here")?,
            option::EXPORT_NAME => return Ok(Next::Transmission(self.export_name(&data)?)),
            option::GO | option::INFO => {
                if let Some(agreed) = self.go(option, &data)? {
                    return Ok(Next::Transmission(agreed));
                }
            }
            option::LIST => self.list(&data)?,
            option::STRUCTURED_REPLY if data.is_empty() => {
                self.has_structured_replies = true;
                self.reply(option, reply::ACK, &[])?;
            }
            option::STRUCTURED_REPLY => self.invalid(option, b"it takes no data")?,
            option::LIST_META_CONTEXT | option::SET_META_CONTEXT => self.contexts(option, &data)?,
            _ => self.reply(option, reply::ERR_UNSUP, b"this option is not known here")?,
        }
        Ok(Next::Option)
    }

    fn start_tls(&mut self, data: &[u8]) -> Result<()> {
        let option = option::STARTTLS;
        let Some(config) = self.settings.tls.clone() else {
            return self.reply(option, reply::ERR_UNSUP, b"there is no TLS here");
        };
        if !data.is_empty() || self.channel.is_tls() {
            return self.invalid(option, b"TLS begins once, and takes no data");
        }
        self.reply(option, reply::ACK, &[])?;
        self.channel.start_tls(config)?;
        // What was agreed on in the clear may have been so with somebody in between.
        self.has_structured_replies = false;
        self.allocation_of = None;
        Ok(())
    }

    fn list(&mut self, data: &[u8]) -> Result<()> {
        if !data.is_empty() {
            return self.invalid(option::LIST, b"it takes no data");
        }
        for name in self.settings.exports.names() {
            let mut entry = (name.len() as u32).to_be_bytes().to_vec();
            entry.extend(name.as_bytes());
            self.reply(option::LIST, reply::SERVER, &entry)?;
        }
        self.reply(option::LIST, reply::ACK, &[])
    }

    /// The old way to the transmission, without replies.
    fn export_name(&mut self, data: &[u8]) -> Result<Agreed> {
        let name = String::from_utf8_lossy(data).into_owned();
        let Some(export) = self.open(&name) else {
            return Err(Error::UnknownExport(name));
        };
        let mut answer = export.len_bytes().to_be_bytes().to_vec();
        answer.extend(flags_of(&*export).to_be_bytes());
        if !self.has_no_zeroes {
            answer.extend([0; 124]);
        }
        self.channel.write(&answer)?;
        Ok(self.agreed(export, &name))
    }

    /// Tells about an export, and with `GO` goes on to the transmission.
    fn go(&mut self, option: u32, data: &[u8]) -> Result<Option<Agreed>> {
        let Some((name, requests)) = take_text(data) else {
            self.invalid(option, b"the name is cut off or no UTF-8")?;
            return Ok(None);
        };
        // Their number, and two bytes for each.
        let count = requests
            .get(..2)
            .map(|count| u16::from_be_bytes([count[0], count[1]]));
        if count.is_none_or(|count| requests.len() != 2 + 2 * usize::from(count)) {
            self.invalid(option, b"the requests are cut off")?;
            return Ok(None);
        }
        let wants = |kind: u16| {
            requests[2..]
                .chunks_exact(2)
                .any(|wanted| *wanted == kind.to_be_bytes())
        };
        let wants_description = wants(info::DESCRIPTION);
        let Some(export) = self.open(name) else {
            self.reply(option, reply::ERR_UNKNOWN, b"there is no such export")?;
            return Ok(None);
        };
        let mut about = info::EXPORT.to_be_bytes().to_vec();
        about.extend(export.len_bytes().to_be_bytes());
        about.extend(flags_of(&*export).to_be_bytes());
        self.reply(option, reply::INFO, &about)?;
        let mut sizes = info::BLOCK_SIZE.to_be_bytes().to_vec();
        for size in [MIN_BLOCK_BYTES, PREFERRED_BLOCK_BYTES, MAX_REQUEST_BYTES] {
            sizes.extend(size.to_be_bytes());
        }
        self.reply(option, reply::INFO, &sizes)?;
        if let Some(description) = self.settings.exports.description(name)
            && wants_description
        {
            let mut about = info::DESCRIPTION.to_be_bytes().to_vec();
            about.extend(description.as_bytes());
            self.reply(option, reply::INFO, &about)?;
        }
        self.reply(option, reply::ACK, &[])?;
        Ok((option == option::GO).then(|| self.agreed(export, name)))
    }

    /// What can't be opened is as good as not there: the client is told no more.
    fn open(&self, name: &str) -> Option<Arc<dyn Export>> {
        self.settings.exports.open(name).ok().flatten()
    }

    fn agreed(&self, export: Arc<dyn Export>, name: &str) -> Agreed {
        Agreed {
            export,
            has_structured_replies: self.has_structured_replies,
            has_allocation: self.allocation_of.as_deref() == Some(name),
        }
    }

    fn invalid(&mut self, option: u32, why: &[u8]) -> Result<()> {
        self.reply(option, reply::ERR_INVALID, why)
    }

    fn reply(&mut self, option: u32, kind: u32, data: &[u8]) -> Result<()> {
        let mut bytes = OPTION_REPLY_MAGIC.to_be_bytes().to_vec();
        bytes.extend(option.to_be_bytes());
        bytes.extend(kind.to_be_bytes());
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(data);
        self.channel.write(&bytes)
    }
}

/// What an export's clients may do.
fn flags_of(export: &dyn Export) -> u16 {
    use transmission_flags::*;
    let always = HAS_FLAGS | SEND_DF | CAN_MULTI_CONN;
    always
        | match export.access() {
            Access::ReadOnly => READ_ONLY,
            Access::Writable => SEND_FLUSH | SEND_FUA | SEND_TRIM | SEND_WRITE_ZEROES,
        }
}

/// A text with its length in front, and what follows.
fn take_text(data: &[u8]) -> Option<(&str, &[u8])> {
    let (len, rest) = data.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}
