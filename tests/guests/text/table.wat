;; A guest that changes a table: after `build`, `built` calls another function through it.
(component
  (core module $m
    (type $number (func (result i32)))
    (table 1 funcref)
    (elem (i32.const 0) $before)
    (elem declare func $after)
    (func $before (type $number) (i32.const 0))
    (func $after (type $number) (i32.const 1))
    (func (export "build") (table.set (i32.const 0) (ref.func $after)))
    (func (export "built") (result i32) (call_indirect (type $number) (i32.const 0))))
  (core instance $i (instantiate $m))
  (func $build (canon lift (core func $i "build")))
  (func $built (result u32) (canon lift (core func $i "built")))
  (instance $probe (export "build" (func $build)) (export "built" (func $built)))
  (export "test:odd/probe" (instance $probe)))
