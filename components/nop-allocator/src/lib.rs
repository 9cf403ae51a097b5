/// Asks for nothing: for measuring alone, and for measuring what an allocator costs.
#[wca_guest::allocator(name = "NOPAllocator")]
mod nop {
    fn allocate() {}
}
