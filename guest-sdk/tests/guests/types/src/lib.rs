//! Serves the promises about types: each method returns its argument, and each type goes both ways; with `through`,
//! by way of a call of the method without.

use wasmhost_guest::prelude::*;

#[class]
mod types {
    use std::collections::{BTreeMap, HashMap};

    /// Crosses as it is, with what is in it.
    #[derive(Value)]
    pub struct Person {
        /// What the person is called.
        pub name: String,
        pub age: u8,
        pub nick_name: Option<String>,
        pub likes: Vec<Color>,
        pub shape: Shape,
    }

    /// Crosses, because it is `Clone`.
    #[derive(Clone, Value)]
    pub enum Color {
        Red,
        Green,
        LightBlue,
    }

    /// Is converted, because it is not.
    #[derive(Value)]
    pub enum Mood {
        Good,
        Bad,
    }

    #[derive(Value)]
    pub enum Shape {
        Nothing,
        Circle(f64),
        Polygon(Vec<(f32, f32)>),
    }

    /// Is converted: it is a tuple.
    #[derive(Value)]
    pub struct Span(u32, Option<Duration>);

    /// Is converted: what is in the cases is a record each.
    #[derive(Value)]
    pub enum Event {
        /// Somebody came.
        Joined {
            name: String,
            r#type: Mood,
            span: Span,
        },
        Left {
            id: Id,
        },
        Nothing,
    }

    /// Is converted: what WIT calls `http-error` is `HttpError` elsewhere.
    #[derive(Value)]
    pub enum Failure {
        HTTPError(u16),
        Move(i32, i32),
        Late(Duration),
    }

    #[derive(Value)]
    pub struct Id(u64);

    /// A list of it is bytes in JSON.
    #[derive(Value)]
    pub struct Octet(u8);

    /// Is converted, for the sake of its parts.
    #[derive(Value)]
    pub struct Job {
        pub id: Id,
        pub r#type: Mood,
        pub every: Option<Duration>,
        pub owner: Person,
        pub by_name: HashMap<String, Id>,
    }

    #[method]
    #[expect(clippy::too_many_arguments, reason = "one for each scalar")]
    fn scalars(
        a: bool,
        b: i8,
        c: i16,
        d: i32,
        e: i64,
        f: u8,
        g: u16,
        h: u32,
        i: u64,
        j: f32,
        k: f64,
        l: char,
        m: String,
    ) -> String {
        format!("{a} {b} {c} {d} {e} {f} {g} {h} {i} {j} {k} {l} {m}")
    }

    #[method]
    fn echo_person(value: Person) -> Person {
        value
    }

    #[method]
    fn echo_job(value: Job) -> Job {
        value
    }

    #[method]
    fn echo_failure(value: Failure) -> Failure {
        value
    }

    #[method]
    fn echo_events(value: Vec<Event>) -> Vec<Event> {
        value
    }

    #[method]
    fn echo_mood(value: Vec<Mood>) -> Vec<Mood> {
        value
    }

    #[method]
    fn bytes(value: Bytes) -> Bytes {
        value
    }

    #[method]
    fn duration(#[default("90s")] value: Duration) -> Duration {
        value
    }

    #[method]
    fn nested(value: Option<Option<u8>>) -> (Option<Option<u8>>,) {
        (value,)
    }

    #[method]
    fn results(value: Result<Id, Mood>) -> (Result<Id, Mood>,) {
        (value,)
    }

    #[method]
    fn tuple(value: (u32, Duration, Color)) -> (u32, Duration, Color) {
        value
    }

    #[method]
    fn tree(value: BTreeMap<String, u32>) -> BTreeMap<String, u32> {
        value
    }

    #[method]
    fn hash(value: HashMap<u32, Id>) -> HashMap<u32, Id> {
        value
    }

    #[method]
    fn text(value: String) -> String {
        value
    }

    #[method]
    fn floats(value: Vec<f32>) -> Vec<f32> {
        value
    }

    #[method]
    fn small(value: Vec<Octet>) -> Vec<Octet> {
        value
    }

    #[method]
    fn whole(value: i64) -> i64 {
        value
    }

    #[method]
    fn real(value: Vec<f64>) -> Vec<f64> {
        value
    }

    #[method]
    fn r#loop(value: u8) -> u8 {
        value
    }

    #[method]
    fn typed_error(value: u32) -> Result<u32, Failure> {
        if value == 0 { Err(Failure::HTTPError(404)) } else { Ok(value) }
    }

    #[method]
    fn text_error(value: String) -> Result<u32, std::num::ParseIntError> {
        value.parse()
    }

    #[method]
    fn empty_error(value: bool) -> Result<(), ()> {
        if value { Ok(()) } else { Err(()) }
    }

    #[method]
    fn chain() -> Result<()> {
        Err(std::io::Error::other("the disk is full").into())
    }

    #[method]
    async fn later(value: Person, color: Color) -> Result<(Person, Color), Failure> {
        Ok((value, color))
    }

    #[method]
    fn through_echo_person(value: Person) -> Result<Person> {
        Ok(call().echo_person(value).wait()?)
    }

    #[method]
    fn through_echo_job(value: Job) -> Result<Job> {
        Ok(call().echo_job(value).wait()?)
    }

    #[method]
    fn through_echo_failure(value: Failure) -> Result<Failure> {
        Ok(call().echo_failure(value).wait()?)
    }

    #[method]
    fn through_echo_events(value: Vec<Event>) -> Result<Vec<Event>> {
        Ok(call().echo_events(value).wait()?)
    }

    #[method]
    fn through_echo_mood(value: Vec<Mood>) -> Result<Vec<Mood>> {
        Ok(call().echo_mood(value).wait()?)
    }

    #[method]
    fn through_bytes(value: Bytes) -> Result<Bytes> {
        Ok(call().bytes(value).wait()?)
    }

    #[method]
    fn through_nested(value: Option<Option<u8>>) -> Result<(Option<Option<u8>>,)> {
        Ok(call().nested().value(value).wait()?)
    }

    #[method]
    fn through_results(value: Result<Id, Mood>) -> Result<(Result<Id, Mood>,)> {
        Ok(call().results(value).wait()?)
    }

    #[method]
    fn through_tuple(value: (u32, Duration, Color)) -> Result<(u32, Duration, Color)> {
        Ok(call().tuple(value).wait()?)
    }

    #[method]
    fn through_tree(value: BTreeMap<String, u32>) -> Result<BTreeMap<String, u32>> {
        Ok(call().tree(value).wait()?)
    }

    #[method]
    fn through_hash(value: HashMap<u32, Id>) -> Result<HashMap<u32, Id>> {
        Ok(call().hash(value).wait()?)
    }

    #[method]
    fn through_text(value: String) -> Result<String> {
        Ok(call().text(value).wait()?)
    }

    #[method]
    fn through_floats(value: Vec<f32>) -> Result<Vec<f32>> {
        Ok(call().floats(value).wait()?)
    }

    #[method]
    fn through_small(value: Vec<Octet>) -> Result<Vec<Octet>> {
        Ok(call().small(value).wait()?)
    }

    #[method]
    fn through_duration(value: Duration) -> Result<(Duration, Duration)> {
        Ok((call().duration().value(value).wait()?, call().duration().wait()?))
    }

    #[method]
    async fn through_later(value: Person, color: Color) -> Result<(Person, Color), String> {
        call().later(value, color).await.map_err(|error| error.to_string())
    }

    /// The numbers that JSON has no way, or more than one way, to write.
    #[method]
    fn through_numbers() -> Result<bool> {
        let whole = [i64::MIN, -1, 0, i64::MAX];
        let back: Vec<i64> = whole.iter().map(|x| call().whole(*x).wait()).collect::<Result<_, _>>()?;
        let real = vec![f64::MIN, -0.0, 5e-324, 0.1, 1e300, f64::MAX, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        let same = call().real(real.clone()).wait()?;
        let is_same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        Ok(back == whole && real.len() == same.len() && real.iter().zip(&same).all(is_same))
    }
}
