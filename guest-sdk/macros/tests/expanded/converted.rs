#[class]
mod jobs {
    use std::collections::{BTreeMap, HashMap};

    #[derive(Clone, Value)]
    pub enum Color {
        Red,
        LightBlue,
    }

    #[derive(Value)]
    pub struct Id(u64);

    #[derive(Value)]
    pub enum Failure {
        HTTPError(u16),
        Move(i32, i32),
        Gone,
    }

    #[derive(Value)]
    pub struct Job {
        pub id: Id,
        pub r#type: Color,
        pub every: Option<Duration>,
    }

    #[method]
    fn run(job: Job, names: HashMap<String, Id>, colors: BTreeMap<String, Color>) -> Result<Vec<Job>, Failure> {
        Err(Failure::Gone)
    }
}
