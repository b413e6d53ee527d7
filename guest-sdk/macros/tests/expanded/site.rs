#[class]
mod site {
    #[derive(Default)]
    pub struct Site {
        visits: u64,
    }

    impl Site {
        #[get("/visits")]
        fn visits(&self) -> u64 {
            self.visits
        }

        #[web]
        fn handle(&mut self, request: Request) -> Result<Response> {
            self.visits += 1;
            Ok(Response::new(request.into_body()))
        }
    }
}
