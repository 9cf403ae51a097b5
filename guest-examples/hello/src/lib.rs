/// Says hello, and ends.
#[wca_guest::runner(name = "HelloWorldRunner")]
mod hello {
    fn run() {
        println!("Hello world!");
    }
}
