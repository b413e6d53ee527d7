//! A bigram table: which word follows which, how often. Training, the file's format and generation are in one place,
//! because the trainer that writes `model.bin` and the guest that reads it must agree; nothing here knows of a host.
//!
//! A file holds any number of named tables, one after the other. Numbers are little-endian:
//!
//! ```text
//! file   "BIGRAM1\n"  table*
//! table  text:name  u16:words  (text:word u16:followers (u16:word u16:count)*)*
//! text   u8:length  UTF-8
//! ```
//!
//! Words stand in falling order of frequency, so that a smaller model is a prefix of the table. Word 0 is the full stop,
//! which ends a sentence and begins the next.

use std::collections::{BTreeMap, HashMap};

const MAGIC: &[u8] = b"BIGRAM1\n";
const STOP: u16 = 0;
/// No sentence is continued by more words than this, for a table may have no path to the full stop.
const MAX_WORDS: usize = 40;

/// The words of one text and what follows each of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    name: String,
    words: Vec<Word>,
}

#[derive(Debug, PartialEq, Eq)]
struct Word {
    text: String,
    /// Word and count, most frequent first.
    followers: Vec<(u16, u16)>,
}

impl Table {
    /// Counts the words of `text`; at most 65,535 different ones.
    #[allow(dead_code, reason = "the trainer trains; the guest only loads")]
    pub(crate) fn train(name: &str, text: &str) -> Self {
        let mut stream = vec![".".to_owned()];
        for word in text.split_whitespace() {
            let ends = word.ends_with(['.', '!', '?']) || word.ends_with(".\"") || word.ends_with("?\"");
            stream.extend(normal(word));
            if ends {
                stream.push(".".to_owned());
            }
        }

        let mut seen = BTreeMap::<&str, usize>::new();
        for word in &stream {
            *seen.entry(word).or_default() += 1;
        }
        seen.remove(".");
        let mut order: Vec<(&str, usize)> = seen.into_iter().collect();
        order.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let texts: Vec<&str> = ["."].into_iter().chain(order.into_iter().map(|(word, _)| word)).collect();
        let index: HashMap<&str, u16> = texts.iter().copied().zip(0..).collect();

        let mut pairs = vec![BTreeMap::<u16, u16>::new(); texts.len()];
        for pair in stream.windows(2) {
            let count = pairs[usize::from(index[pair[0].as_str()])].entry(index[pair[1].as_str()]).or_default();
            *count = count.saturating_add(1);
        }
        let words = texts
            .into_iter()
            .zip(pairs)
            .map(|(text, followers)| {
                let mut followers: Vec<_> = followers.into_iter().collect();
                followers.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
                Word { text: text.to_owned(), followers }
            })
            .collect();
        Self { name: name.to_owned(), words }
    }

    /// Finds the table `name` in a file and keeps its `size` most frequent words.
    pub(crate) fn load(file: &[u8], name: &str, size: usize) -> Result<Self, String> {
        let mut rest = file.strip_prefix(MAGIC).ok_or("the file is not a model")?;
        let mut names = Vec::new();
        while !rest.is_empty() {
            let mut table = Self::read(&mut rest).ok_or("the model's file is cut short")?;
            if table.name == name {
                table.shrink(size);
                return Ok(table);
            }
            names.push(format!("`{}`", table.name));
        }
        Err(format!("no model is named `{name}`; the file holds {}", names.join(", ")))
    }

    /// The bytes of a file that holds `tables`.
    #[allow(dead_code, reason = "the trainer saves; the guest only loads")]
    pub(crate) fn save(tables: &[Self]) -> Vec<u8> {
        fn text(out: &mut Vec<u8>, text: &str) {
            out.push(u8::try_from(text.len()).expect("names and words are shorter than 256 bytes"));
            out.extend_from_slice(text.as_bytes());
        }
        fn count(out: &mut Vec<u8>, count: usize) {
            let count = u16::try_from(count).expect("a table has fewer than 65,536 words");
            out.extend_from_slice(&count.to_le_bytes());
        }
        let mut out = MAGIC.to_vec();
        for table in tables {
            text(&mut out, &table.name);
            count(&mut out, table.words.len());
            for word in &table.words {
                text(&mut out, &word.text);
                count(&mut out, word.followers.len());
                for (follower, times) in &word.followers {
                    out.extend_from_slice(&follower.to_le_bytes());
                    out.extend_from_slice(&times.to_le_bytes());
                }
            }
        }
        out
    }

    /// Continues `prompt`, word by word, to the end of the sentence. The draw is seeded by the prompt, so that a pool's
    /// instances give the same answer.
    pub(crate) fn continue_from(&self, prompt: &str) -> String {
        let mut draw = Draw::seeded(prompt);
        let last = prompt.split_whitespace().filter_map(normal).next_back();
        let mut at = last.and_then(|word| self.find(&word)).unwrap_or(STOP);
        let mut out = prompt.trim_end().to_owned();
        for _ in 0..MAX_WORDS {
            let Some(next) = draw.pick(&self.words[usize::from(at)].followers) else { break };
            if next == STOP {
                break;
            }
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&self.words[usize::from(next)].text);
            at = next;
        }
        out.push('.');
        out
    }

    fn find(&self, text: &str) -> Option<u16> {
        (0..).zip(&self.words).find(|(_, word)| word.text == text).map(|(index, _)| index)
    }

    /// Drops all but the `size` most frequent words, and every step that led to a dropped one. The full stop stays.
    fn shrink(&mut self, size: usize) {
        self.words.truncate(size.saturating_add(1));
        let known = self.words.len();
        for word in &mut self.words {
            word.followers.retain(|(follower, _)| usize::from(*follower) < known);
        }
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let name = read_text(rest)?;
        let count = read_u16(rest)?;
        let mut words = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let text = read_text(rest)?;
            let followers = (0..read_u16(rest)?)
                .map(|_| Some((read_u16(rest).filter(|word| *word < count)?, read_u16(rest)?)))
                .collect::<Option<Vec<_>>>()?;
            words.push(Word { text, followers });
        }
        // Generation begins at the full stop, so a table without one is no table.
        (!words.is_empty()).then_some(Self { name, words })
    }
}

fn read_u16(rest: &mut &[u8]) -> Option<u16> {
    let (bytes, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(u16::from_le_bytes(*bytes))
}

fn read_text(rest: &mut &[u8]) -> Option<String> {
    let (length, tail) = rest.split_first()?;
    let (text, tail) = tail.split_at_checked(usize::from(*length))?;
    *rest = tail;
    String::from_utf8(text.to_vec()).ok()
}

/// A word without its punctuation, in lower case; nothing if it was punctuation only.
fn normal(word: &str) -> Option<String> {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    (!word.is_empty()).then_some(word)
}

/// A xorshift generator, seeded by FNV-1a: small, and the same on every machine.
struct Draw(u64);

impl Draw {
    fn seeded(text: &str) -> Self {
        let seed = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        // Zero is the one state that xorshift cannot leave.
        Self(seed.max(1))
    }

    fn pick(&mut self, followers: &[(u16, u16)]) -> Option<u16> {
        let total: u64 = followers.iter().map(|(_, count)| u64::from(*count)).sum();
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let mut left = self.0.checked_rem(total)?;
        for (word, count) in followers {
            match left.checked_sub(u64::from(*count)) {
                Some(less) => left = less,
                None => return Some(*word),
            }
        }
        None
    }
}
