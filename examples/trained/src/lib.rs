//! The class `filter`: `build` learns from mails, once for all instances, and returns what it has learned; `enter` finds it in
//! each instance by `#[built]`.

use wasmhost_guest::prelude::*;

/// Tells spam from other mail.
#[class]
mod filter {
    use std::collections::HashMap;
    use std::fs;

    const MAILS: &str = "/data/mails.txt";

    /// What has been learned: for each word the logarithm of how much more likely it makes spam.
    pub struct Weights(HashMap<String, f64>);

    pub struct Filter {
        weights: &'static Weights,
        /// From which sum of its words' weights on a mail is spam.
        least: f64,
    }

    impl Filter {
        #[build]
        fn train() -> Result<Weights> {
            let mails = fs::read_to_string(MAILS).map_err(|error| error!("{MAILS}: {error}"))?;
            println!("learning from {} mails", mails.lines().count());
            learn(&mails)
        }

        #[enter]
        fn new(#[built] weights: &'static Weights, #[default(1.0)] least: f64) -> Self {
            Self { weights, least }
        }

        /// Says whether a mail is spam.
        #[method]
        fn is_spam(&self, mail: String) -> bool {
            let known = mail.split_whitespace().filter_map(|word| self.weights.0.get(&word.to_lowercase()));
            known.sum::<f64>() >= self.least
        }
    }

    /// Each line is `spam` or `good`, and a mail.
    fn learn(mails: &str) -> Result<Weights> {
        let mut counts = HashMap::<&str, [f64; 2]>::new();
        for line in mails.lines() {
            let (kind, mail) = line.split_once(' ').ok_or_else(|| error!("no kind and mail: `{line}`"))?;
            for word in mail.split_whitespace() {
                // No word is so rare that it decides alone.
                let [spam, good] = counts.entry(word).or_insert([1.0; 2]);
                match kind {
                    "spam" => *spam += 1.0,
                    "good" => *good += 1.0,
                    _ => bail!("a mail is `spam` or `good`, not `{kind}`"),
                }
            }
        }
        let weight = |(word, [spam, good]): (&str, [f64; 2])| (word.to_owned(), (spam / good).ln());
        Ok(Weights(counts.into_iter().map(weight).collect()))
    }
}
