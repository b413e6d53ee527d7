//! Serves the promises about types: each method returns its argument, and each type goes both ways.

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

    /// Is converted: what WIT calls `http-error` is `HttpError` elsewhere.
    #[derive(Value)]
    pub enum Failure {
        HTTPError(u16),
        Move(i32, i32),
        Late(Duration),
    }

    #[derive(Value)]
    pub struct Id(u64);

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
}
