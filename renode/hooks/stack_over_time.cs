// A monitor command for any firmware: how much lay on the stack as the instructions went by.
//
//     include @renode/hooks/stack_over_time.cs
//     cpu StackOverTime @stack.csv 1000
//
// The file gets a row for every 1000 instructions: how many there were until then, and the most bytes below the stack
// pointer of the first one. The stack pointer is looked at where blocks of code begin.
using System;
using System.IO;

using Antmicro.Renode.Exceptions;
using Antmicro.Renode.Peripherals.CPU;

namespace Harness
{
    public static class StackOverTimeCommand
    {
        public static void StackOverTime(this TranslationCPU cpu, string file, ulong period = 1000)
        {
            if(period == 0)
            {
                throw new RecoverableException("the period is 0, expected a number of instructions");
            }
            var series = new StackSeries(cpu, new StreamWriter(file), period);
            cpu.SetHookAtBlockBegin(series.Enter);
        }
    }

    public sealed class StackSeries
    {
        public StackSeries(TranslationCPU cpu, StreamWriter output, ulong period)
        {
            this.cpu = cpu;
            this.output = output;
            this.period = period;
            next = period;
            output.AutoFlush = true;
            output.WriteLine("instructions,stack_bytes");
        }

        public void Enter(ulong address, uint instructions)
        {
            var pointer = (long)cpu.GetRegister(StackPointer).RawValue;
            if(top < 0)
            {
                top = pointer;
            }
            deepest = Math.Max(deepest, top - pointer);
            executed += instructions;
            if(executed < next)
            {
                return;
            }
            output.WriteLine($"{executed},{deepest}");
            next = executed + period;
            deepest = 0;
        }

        private long top = -1;
        private long deepest;
        private ulong executed;
        private ulong next;

        private readonly TranslationCPU cpu;
        private readonly StreamWriter output;
        private readonly ulong period;

        private const int StackPointer = 13;
    }
}
