//! Serves the promises about calls between classes: handles, calls by name, errors, many at once, cancellation.

use wasmhost_guest::prelude::*;

#[class(max_instances = 4)]
mod pools {
    use std::cell::Cell;

    /// What a method of it refuses.
    #[derive(Value, Debug, PartialEq)]
    pub enum Refusal {
        TooLarge(u32),
        Never,
    }

    pub struct Pools {
        name: String,
        size: i64,
        note: Option<String>,
        calls: Cell<u32>,
    }

    impl Pools {
        #[enter]
        fn new(name: String, #[default(100)] size: i64, note: Option<String>) -> Result<Self> {
            if size < 0 {
                bail!("{size} is no size");
            }
            Ok(Self { name, size, note, calls: Cell::new(0) })
        }

        /// Says which pool this is.
        #[method]
        fn tell(&self, greeting: String, #[default("default")] qux: String, more: Option<u32>) -> String {
            let Self { name, size, note, .. } = self;
            format!("{greeting} from ({name}, {size}, {note:?}) with {qux} and {more:?}")
        }

        /// Counts the calls of this instance.
        #[method]
        fn count(&self) -> u32 {
            self.calls.set(self.calls.get() + 1);
            self.calls.get()
        }

        /// Is called like a parameter.
        #[method]
        fn note(&self) -> Option<String> {
            self.note.clone()
        }

        #[method]
        fn refuse(&self, limit: u32) -> Result<u32, Refusal> {
            if limit == 0 { Err(Refusal::Never) } else { Err(Refusal::TooLarge(limit)) }
        }

        #[method]
        fn fail(&self) -> Result<()> {
            bail!("{} \"fails\"", self.name);
        }

        #[method]
        fn panic(&self) {
            panic!("as asked");
        }

        #[method]
        async fn outer(&self) -> Result<String> {
            let inner = call().name(self.name.as_str()).fail();
            inner.await?;
            Ok(String::new())
        }
    }
}

#[function]
fn square(x: i64) -> i64 {
    x * x
}

#[function]
fn power(x: i64, #[default(2)] exponent: u32) -> Option<i64> {
    x.checked_pow(exponent)
}

/// Runs for longer than any test.
#[function]
#[expect(clippy::disallowed_methods, reason = "what waits here is the guest, and its caller is the event")]
fn forever() {
    std::thread::sleep(Duration::from_secs(3600));
}

#[class]
mod callers {
    use super::pools::{self, Refusal};
    use super::*;

    #[method]
    async fn handles() -> Result<Vec<String>> {
        let whale = pools::call().name("whale").size(7).tell("hi").await?;
        let hedgehog = pools::call().with_note("n").name(String::from("hedgehog")).tell("ho").more(3).qux("q").await?;
        let none = pools::call().name("none").with_note(None).tell("hm").more(None).wait()?;
        let mut all = vec![whale, hedgehog, none];
        for chosen in [Some(5), None] {
            let text = chosen.map(|size| format!("q{size}"));
            all.push(pools::call().name("maybe").size(chosen).tell("hey").qux(text).await?);
        }
        Ok(all)
    }

    #[method]
    async fn functions() -> Result<(i64, Option<i64>, Option<i64>)> {
        Ok((square::call(3).await?, power::call(3).await?, power::call(3).exponent(3).await?))
    }

    #[method]
    async fn by_name() -> Result<String> {
        let told: String = wasmhost_guest::call("pools")
            .parameter("name", "named")
            .parameter("size", 1)
            .method("tell")
            .argument("greeting", "hey")
            .await?;
        Ok(told)
    }

    #[method]
    async fn typed_errors() -> Result<Vec<String>> {
        let mut told = Vec::new();
        for limit in [0, 3] {
            let error = pools::call().name("x").refuse(limit).await.unwrap_err();
            let expected = if limit == 0 { Refusal::Never } else { Refusal::TooLarge(limit) };
            told.push(format!("{:?} {}", error.kind(), error.returned() == Some(expected)));
        }
        Ok(told)
    }

    #[method]
    async fn kinds() -> Vec<String> {
        let failed = pools::call().name("f").fail().await.unwrap_err();
        let entered = pools::call().name("e").size(-1).count().await.unwrap_err();
        let trapped = pools::call().name("p").panic().await.unwrap_err();
        let unknown = wasmhost_guest::call("nobody").method::<()>("m").await.unwrap_err();
        let bad = wasmhost_guest::call("square").method::<i64>("square").argument("x", "seven").await.unwrap_err();
        let answer = wasmhost_guest::call("square").method::<String>("square").argument("x", 7).await.unwrap_err();
        [failed, entered, trapped, unknown, bad, answer].map(|error| format!("{error:?}")).into()
    }

    /// Its error is that of the innermost method, in its own words.
    #[method]
    async fn chain() -> Result<String> {
        Ok(pools::call().name("inner").outer().await?)
    }

    /// Many at once, in the order in which they were asked.
    #[method]
    async fn many(count: i64) -> Result<Vec<i64>> {
        let calls = (0..count).map(|number| square::call(number).into_future());
        let answers = futures_util::future::join_all(calls).await;
        Ok(answers.into_iter().collect::<Result<_, _>>()?)
    }

    /// Ends though one of its calls does not: dropping the future cancels the call.
    #[method]
    async fn dropped() -> Result<i64> {
        let never = forever::call().into_future();
        let soon = square::call(4).into_future();
        match futures_util::future::select(never, soon).await {
            futures_util::future::Either::Left(_) => bail!("what runs for ever has ended"),
            futures_util::future::Either::Right((answer, _)) => Ok(answer?),
        }
    }

    #[method]
    fn context() -> (String, Option<String>, bool, bool) {
        use wasmhost_guest::context;
        (context::app(), context::class(), context::call_id().is_some(), context::deadline().is_some())
    }
}

/// Calls two pools of one class, and says what they answered.
#[main]
async fn main(
    /// How large the first one is.
    foo: i64,
    bar: String,
    #[default("hi")] greeting: String,
) -> Result<String> {
    let (one, two) = (pools::call().name("one").size(foo), pools::call().name(bar));
    println!("{}", one.tell(greeting.as_str()).await?);
    Ok(two.tell(greeting).await?)
}
