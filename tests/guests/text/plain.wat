;; A class without hooks.
(component
  (core module $m (func (export "answer") (result i32) (i32.const 42)))
  (core instance $i (instantiate $m))
  (func $answer (result u32) (canon lift (core func $i "answer")))
  (instance $plain (export "answer" (func $answer)))
  (export "test:odd/plain" (instance $plain)))
