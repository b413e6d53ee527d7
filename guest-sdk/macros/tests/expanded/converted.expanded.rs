mod jobs {
    #[allow(unused_imports, reason = "a module that needs none of it is no mistake")]
    use ::wasmhost_guest::prelude::*;
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
    fn run(
        job: Job,
        names: HashMap<String, Id>,
        colors: BTreeMap<String, Color>,
    ) -> Result<Vec<Job>, Failure> {
        Err(Failure::Gone)
    }
    #[allow(
        unused_imports,
        unreachable_pub,
        reason = "not every class is called from its own component"
    )]
    pub use self::__wasmhost::handle::call;
    #[doc(hidden)]
    #[allow(
        warnings,
        unsafe_code,
        clippy::all,
        clippy::pedantic,
        clippy::restriction,
        reason = "it is generated, and the mistakes of what it is made of are reported there"
    )]
    mod __wasmhost {
        use super::*;
        ::wasmhost_guest::__private::bindings!(
            r"package my-app:jobs;

interface jobs {
  enum color {
    red,
    light-blue,
  }

  type id = u64;

  variant failure {
    http-error(u16),
    move(tuple<s32, s32>),
    gone,
  }

  record job {
    id: id,
    %type: color,
    every: option<u64>,
  }

  run: func(job: job, names: map<string, id>, colors: map<string, color>) -> result<list<job>, failure>;
}

world jobs-world {
  export jobs;
}
",
            "::std::collections::BTreeMap", [Color]
        );
        impl super::Color {
            unsafe fn _lift(case: u8) -> Self {
                match case {
                    0 => Self::Red,
                    _ => Self::LightBlue,
                }
            }
        }
        use self::exports::my_app::jobs::jobs as bindings;
        struct __Class;
        impl bindings::Guest for __Class {
            fn run(
                job: bindings::Job,
                names: ::std::collections::BTreeMap<::std::string::String, bindings::Id>,
                colors: ::std::collections::BTreeMap<::std::string::String, super::Color>,
            ) -> ::core::result::Result<
                ::std::vec::Vec<bindings::Job>,
                bindings::Failure,
            > {
                let returned = super::run(
                    lift_job(job),
                    names.into_iter().map(|(key, part)| (key, lift_id(part))).collect(),
                    colors,
                );
                returned
                    .map(|ok| {
                        ok
                            .into_iter()
                            .map(|part| lower_job(part))
                            .collect::<::std::vec::Vec<_>>()
                    })
                    .map_err(|err| lower_failure(err))
            }
        }
        fn lift_id(value: bindings::Id) -> super::Id {
            {
                let part_0 = value;
                super::Id(part_0)
            }
        }
        fn lower_id(value: super::Id) -> bindings::Id {
            {
                let super::Id(part_0) = value;
                part_0
            }
        }
        fn lift_failure(value: bindings::Failure) -> super::Failure {
            match value {
                bindings::Failure::HttpError(part_0) => super::Failure::HTTPError(part_0),
                bindings::Failure::Move((part_0, part_1)) => {
                    super::Failure::Move(part_0, part_1)
                }
                bindings::Failure::Gone => super::Failure::Gone,
            }
        }
        fn lower_failure(value: super::Failure) -> bindings::Failure {
            match value {
                super::Failure::HTTPError(part_0) => bindings::Failure::HttpError(part_0),
                super::Failure::Move(part_0, part_1) => {
                    bindings::Failure::Move((part_0, part_1))
                }
                super::Failure::Gone => bindings::Failure::Gone,
            }
        }
        fn lift_job(value: bindings::Job) -> super::Job {
            super::Job {
                id: lift_id(value.id),
                r#type: value.type_,
                every: value.every.map(|part| ::core::time::Duration::from_nanos(part)),
            }
        }
        fn lower_job(value: super::Job) -> bindings::Job {
            bindings::Job {
                id: lower_id(value.id),
                type_: value.r#type,
                every: value
                    .every
                    .map(|part| ::wasmhost_guest::__private::nanoseconds(part)),
            }
        }
        export!(__Class);
        #[used]
        #[cfg_attr(target_family = "wasm", unsafe(link_section = "wasmhost:manifest"))]
        static MANIFEST: [u8; 33] = *br#"{"version":1,"class":{"jobs":{}}}"#;
        pub mod handle {
            /**Calls the class `jobs`.

Parameters are given first, in any order, then one of the methods is called. What has a default or is an `Option` may be left out.*/
            pub fn call() -> Call {
                Call {
                    parameters: ::wasmhost_guest::__private::Fields::new(),
                    given: ::core::marker::PhantomData,
                }
            }
            #[derive(Debug)]
            #[must_use = "a class is called by one of its methods"]
            pub struct Call {
                parameters: ::wasmhost_guest::__private::Fields,
                given: ::core::marker::PhantomData<()>,
            }
            impl Call {
                ///Calls `run`.
                pub fn run(
                    self,
                    job: super::super::Job,
                    names: ::std::collections::HashMap<
                        ::std::string::String,
                        super::super::Id,
                    >,
                    colors: ::std::collections::BTreeMap<
                        ::std::string::String,
                        super::super::Color,
                    >,
                ) -> ::wasmhost_guest::Call<
                    ::std::vec::Vec<super::super::Job>,
                    super::super::Failure,
                > {
                    let mut arguments = ::wasmhost_guest::__private::Fields::new();
                    arguments.put("job", &job);
                    arguments.put("names", &names);
                    arguments.put("colors", &colors);
                    ::wasmhost_guest::Call::new(
                        "jobs",
                        "run",
                        self.parameters,
                        arguments,
                    )
                }
            }
        }
    }
}
