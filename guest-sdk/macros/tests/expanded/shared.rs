#[class(concurrency = 8)]
mod shared {
    #[derive(Default)]
    pub struct Shared(u32);

    impl Shared {
        #[enter]
        async fn warm(&mut self) -> Result<()> {
            Ok(())
        }

        #[method]
        fn read(&self) -> u32 {
            self.0
        }

        #[method]
        async fn add(&mut self, by: u32) {
            self.0 += by;
        }

        #[exit]
        async fn flush(&mut self) -> Result<()> {
            Ok(())
        }

        #[exit]
        fn close(self) {}
    }
}
