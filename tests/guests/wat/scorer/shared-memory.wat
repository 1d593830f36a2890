;; Wants a memory that threads can share. A host without threads has no such thing.
  (core module $guest
    (memory (export "memory") 16)
    (memory 1 1 shared)

    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "schema") (result i32) unreachable)
    (func (export "judge")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      unreachable))
